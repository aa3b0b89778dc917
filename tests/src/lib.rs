//! The test kit, the servers it starts, the dev runner, and the benchmark.

pub mod bench;
pub mod dev;
pub mod kit;
pub mod servers;
