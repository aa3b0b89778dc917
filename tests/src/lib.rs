//! The test kit, the servers it starts, and the dev runner.

pub mod dev;
pub mod kit;
pub mod servers;
