//! Promises of the product, kept by the real thing: real HTTP, a real PostgreSQL, the real roles.

mod contacts;
mod crash;
mod delivery;
mod disk;
mod fairness;
mod held;
mod receivers;
mod resend;
mod schedule;
mod signing;
mod telemetry;
mod workers;
