//! What both processes know. No web framework, no queue runtime, no HTTP client: those belong to `api` and `worker`.

mod about;
pub mod answers;
pub mod audit;
pub mod change;
pub mod changes;
pub mod clock;
pub mod contacts;
pub mod creation;
pub mod db;
pub mod event;
pub mod finding;
pub mod id;
pub mod import;
pub mod outbox;
pub mod redis_url;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod stop;
pub mod supervisor;
pub mod telemetry;
pub mod webhook;
pub mod words;

pub use clock::Clock;
pub use db::{Db, SystemTx, TenantTx};
pub use redis_url::RedisUrl;
pub use secret::Secret;
