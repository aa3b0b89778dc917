//! The records of the CRM, one folder each: `http.rs` -> `mod.rs` -> `store.rs`, never backwards.

pub mod activities;
pub mod actor;
pub mod companies;
pub mod contacts;
pub mod currency;
pub mod deleted;
pub mod leads;
pub mod pipelines;
mod references;
