//! Relay and delivery. [`relay`] turns events into deliveries, [`queue`] gives them out to the senders under apalis,
//! [`deliver`] makes one attempt, [`retry`] decides what follows, [`record`] writes it down, [`health`] keeps
//! webhooks' states.
//!
//! [`run()`] starts and drains all of it, as set by [`config`], woken by [`listen`], watched by [`supervise`];
//! [`steps`] is the same for tests. [`client`], [`signing`] and [`explain`] serve [`deliver`]; [`record_order`]
//! and [`shelf`] say which deliveries wait; [`imports`], [`replays`] and [`erasures`] are long work that
//! was asked for; [`housekeeping`], [`sweep`] and [`retention`] clean up; [`gauges`], [`measured`] and [`admin`] are
//! for operators.

pub mod admin;
pub mod background;
pub mod client;
pub mod config;
pub mod deliver;
pub mod erasures;
mod explain;
mod gauges;
pub mod health;
mod housekeeping;
pub mod imports;
mod listen;
mod measured;
pub mod queue;
pub mod record;
pub mod record_order;
pub mod relay;
pub mod replays;
pub mod retention;
pub mod retry;
mod run;
pub mod setup;
pub mod shelf;
pub mod signing;
pub mod steps;
mod supervise;
pub mod sweep;
mod turns;

pub use measured::METRICS;
pub use run::run;
