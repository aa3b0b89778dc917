//! Promises of the product, kept by the real thing: real HTTP, a real PostgreSQL, the real roles.

mod auth;
mod contacts;
mod envelope;
mod lists;
mod webhooks;
