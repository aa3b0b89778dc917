//! The `api` command.

use std::process::ExitCode;

/// A request makes some 170 small allocations: with the system's allocator they are a tenth of its CPU
/// (docs/decisions/0031).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api::cli::run()
}
