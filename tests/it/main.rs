//! Promises of the product, kept by the real thing: real HTTP, a real PostgreSQL, the real roles.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

mod auth;
mod contacts;
mod envelope;
mod lists;
mod webhooks;
