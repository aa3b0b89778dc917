//! What the tests are made of: a real api on a real port over a real database, as the real roles.
//!
//! - [`Database`] is one test's own, copied from a template that has all migrations.
//! - [`TestApp`] is the api on it, with a clock that stands still.
//! - [`Tenant`] is a caller of one tenant; each of its requests ends in an [`Answer`].
//! - [`Receiver`] is where webhooks go, [`Subscriber`] a webhook that goes there.
//! - [`Issuer`] is an outside issuer of access tokens.
//! - [`Authority`] signs certificates. [`TcpServer`] is a receiver that misbehaves, [`Nobody`] one that is not there,
//!   [`Collector`] one of traces. [`EventStream`] is an answer that stays open.
//! - [`Program`] is the real api or worker, as a process of its own, [`Stage`] all of it on its own cluster.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what goes wrong in the kit fails the test that uses it"
)]

mod answer;
mod app;
mod authority;
mod collector;
mod config;
mod database;
mod deliveries;
mod event_stream;
mod issuer;
mod patience;
mod program;
pub mod raw;
mod receiver;
mod skip;
mod stage;
mod tcp;
mod tenant;

/// The path of contacts.
pub const CONTACTS: &str = "/api/v1/connection/contacts";
/// The path of companies.
pub const COMPANIES: &str = "/api/v1/connection/companies";
/// The path of leads.
pub const LEADS: &str = "/api/v1/connection/leads";
/// The path of pipelines.
pub const PIPELINES: &str = "/api/v1/connection/pipelines";
/// The path of activities.
pub const ACTIVITIES: &str = "/api/v1/connection/activities";
/// The path of API keys.
pub const API_KEYS: &str = "/api/v1/api-keys";
/// The path of webhooks.
pub const WEBHOOKS: &str = "/api/v1/webhooks";

pub use answer::{Answer, Page, with};
pub use app::{Event, TestApp};
pub use authority::Authority;
pub use collector::{Collector, Span, hex};
pub use config::{PEPPER, SECRET_KEY, START, TOKEN_KEY, TOKEN_KID};
pub use database::{Database, Hold, Login};
pub use deliveries::{Subscriber, expire_leases};
pub use event_stream::EventStream;
pub use issuer::{DISCOVERY, Issuer, IssuerKey, JWKS, unsigned};
pub use patience::{PATIENCE, until};
pub use program::{Program, binary, sample, test_redis_url, through_redis};
pub use receiver::{Call, Receiver, Reply};
pub use skip::skip;
pub use stage::{Caller, Stage};
pub use tcp::{Deaf, Nobody, TcpServer, read_webhook};
pub use tenant::{Credential, Tenant};
