//! Promises of the product, kept by the real thing: real HTTP, a real PostgreSQL, the real roles.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic is the report")]

mod architecture;
mod boot;
mod cancellation;
mod catalog;
mod contacts;
mod crash;
mod delivery;
mod disk;
mod fairness;
mod held;
mod isolation;
mod migrations;
mod receivers;
mod resend;
mod schedule;
mod signing;
mod telemetry;
mod workers;
