//! Promises of the product, kept by the real thing: real HTTP, a real PostgreSQL, the real roles.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic is the report")]

mod activities;
mod api_keys;
mod architecture;
mod audit;
mod auth;
mod boot;
mod cancellation;
mod catalog;
mod companies;
mod contacts;
mod crash;
mod delivery;
mod disk;
mod envelope;
mod fairness;
mod held;
mod imports;
mod isolation;
mod leads;
mod limits;
mod lists;
mod meta;
mod migrations;
mod openapi;
mod pipelines;
mod receivers;
mod requests;
mod resend;
mod schedule;
mod settings;
mod signing;
mod telemetry;
mod users;
mod webhooks;
mod workers;
