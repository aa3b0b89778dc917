//! What both processes know. No web framework, no queue runtime, no HTTP client: those belong to `api` and `worker`.

pub mod audit;
pub mod changes;
pub mod clock;
pub mod contacts;
pub mod db;
pub mod event;
pub mod id;
pub mod idempotency;
pub mod import;
pub mod outbox;
pub mod patch;
pub mod redis_url;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod stop;
mod subject;
pub mod supervisor;
pub mod telemetry;
pub mod webhook;
pub mod words;

pub use clock::Clock;
pub use db::{Db, SystemTx, TenantTx};
pub use redis_url::RedisUrl;
pub use secret::Secret;
