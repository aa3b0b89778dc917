//! The cast of the webhook system. An *event* is one change; a *webhook* is where a tenant wants to hear of
//! changes; a *delivery* (a row of `webhook_events`) is one event on its way to one webhook; an *attempt* is one
//! request of a delivery. The api writes events and webhooks, the worker's relay turns events into deliveries,
//! its senders make the attempts.

pub mod attempt;
pub mod body;
pub mod code;
pub mod delivery;
pub mod ed25519;
pub mod headers;
pub mod health;
pub mod histogram;
pub mod identity;
pub mod keys;
pub(crate) mod owner;
pub mod signature;
pub mod target;

pub use owner::Owner;
