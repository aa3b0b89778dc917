//! The test kit, the servers it starts, and the dev runner.

pub mod dev;
pub mod servers;
