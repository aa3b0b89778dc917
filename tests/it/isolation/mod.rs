//! Tenants never meet: in the database, over HTTP, and under load.

mod concurrency;
mod document;
mod generator;
mod http;
mod probes;
mod tables;
mod trace;
