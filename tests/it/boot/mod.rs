//! The real binary from the outside: when it serves, when it refuses to, and what its commands do.

mod busy;
mod commands;
pub(crate) mod process;
mod refusals;
mod serving;
mod silence;
