//! The audit log: who changed what, for whoever may ask. That every route writes it is in `isolation/trace.rs`.

mod keep;
mod read;

/// The path of the audit log.
const AUDIT: &str = "/api/v1/audit-log";
