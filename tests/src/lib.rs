//! The test kit, the servers it starts, the dev runner, the benchmark, and the product for other programs.

pub mod bench;
pub mod dev;
pub mod kit;
pub mod product;
pub mod servers;
