//! The records of the CRM, one folder each: `http.rs` -> `mod.rs` -> `store.rs`, never backwards.

pub mod companies;
pub mod contacts;
pub mod currency;
