//! The records of the CRM, one folder each: `http.rs` -> `mod.rs` -> `store.rs`, never backwards.

pub mod activities;
pub mod actor;
pub mod companies;
pub mod contacts;
pub mod currency;
pub mod leads;
pub mod pipelines;
mod references;

use chrono::TimeDelta;

/// How long a deleted record can be restored (requirement C-5).
const RESTORABLE: TimeDelta = TimeDelta::days(30);
