//! Real servers that belong to one process and end with it.
//!
//! - [`Folder`] is where a server keeps its files: claimed by a lock, so that runs beside each other never meet, and
//!   cleared of whatever a killed run left behind.
//! - [`Process`] is the running program: in a process group of its own, stopped when dropped.
//! - [`Account`] is the unprivileged user that servers run as when we are root.
//! - [`Postgres`] and [`Redis`] put the three together.

mod account;
mod folder;
mod port;
mod postgres;
mod process;
mod redis;

pub use account::Account;
pub use folder::{Folder, target_dir};
pub use port::{free_port, listens};
pub use postgres::{Durability, Options, Postgres};
pub use process::{Process, last_lines, send_to_group};
pub use redis::Redis;

/// Any failure of the kit; it is read by a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result of the kit.
pub type Result<T> = std::result::Result<T, Error>;
