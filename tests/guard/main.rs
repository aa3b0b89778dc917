//! What a request costs, counted: statements, round trips, buffers, WAL and allocations on the hot paths, beside the
//! budgets in `budgets.json`. No clock is read, so that a busy machine changes nothing. It fails when a cost is more
//! than [`budget::MOST`] times its budget: a query in a loop, a lost index, a copied body.
//!
//! `make guard` prints the table alone, `make guard RENEW=1` makes what was counted the budgets.
//!
//! - [`paths`]: the requests, and the delivery; [`count`]: what each costs.
//! - [`wire`]: between the product and PostgreSQL, where statements are counted.
//! - [`budget`]: what each may cost.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that prints its table, and whose panic is the report"
)]

mod budget;
mod count;
mod paths;
mod wire;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::budget::Budgets;
use self::count::count;
use self::paths::{NAMES, Paths};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What `cargo test NAME` selects it by.
const NAME: &str = "guard::what_a_request_costs";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if !is_wanted(env::args().skip(1)) {
        return ExitCode::SUCCESS;
    }
    let mut paths = Paths::start().await;
    let mut budgets = Budgets::read();
    let renews = env::var_os("GUARD_RENEW").is_some_and(|value| !value.is_empty());
    println!("\n{}", budget::HEAD);
    let mut broken = Vec::new();
    for name in NAMES {
        let mut cost = count(&mut paths, name).await;
        if !renews && !budgets.exceeded(name, &cost).is_empty() {
            // Whatever the server did of its own meanwhile, such as a vacuum, it does not do twice.
            cost = cost.least(count(&mut paths, name).await);
        }
        println!("{}", budgets.line(name, &cost));
        if renews {
            budgets.set(name, cost);
        } else {
            broken.extend(budgets.exceeded(name, &cost));
        }
    }
    if renews {
        budgets.write();
        println!("\n{} written\n", Budgets::path().display());
    }
    for one in &broken {
        println!("guard: {one}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the arguments of `cargo test` select this.
fn is_wanted(arguments: impl Iterator<Item = String>) -> bool {
    let mut filters = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => return false,
            "--test-threads" | "--skip" | "--format" | "--color" | "--logfile" => {
                arguments.next();
            }
            flag if flag.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    filters.is_empty() || filters.iter().any(|filter| NAME.contains(filter.as_str()))
}
