//! Tenants never meet: in the database, over HTTP, and under load.

mod concurrency;
pub mod generator;
pub mod http;
pub mod probes;
mod tables;
mod trace;
