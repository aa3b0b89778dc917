//! What the tests are made of: a real api on a real port over a real database, as the real roles.
//!
//! - [`Database`] is one test's own, copied from a template that has all migrations.
//! - [`TestApp`] is the api on it, with a clock that stands still.
//! - [`Tenant`] is a caller of one tenant; each of its requests ends in an [`Answer`].
//! - [`Receiver`] is where webhooks go.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what goes wrong in the kit fails the test that uses it"
)]

mod answer;
mod app;
mod config;
mod database;
pub mod raw;
mod receiver;
mod tenant;

/// The path of contacts.
pub const CONTACTS: &str = "/api/v1/connection/contacts";
/// The path of webhooks.
pub const WEBHOOKS: &str = "/api/v1/webhooks";

pub use answer::{Answer, Page};
pub use app::{Event, TestApp};
pub use config::{PEPPER, SECRET_KEY, START, TOKEN_KEY, TOKEN_KID};
pub use database::{Database, Hold};
pub use receiver::{Call, Receiver, Reply};
pub use tenant::{Credential, Tenant};
