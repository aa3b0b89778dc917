//! The REST API. `crm` holds the records, `webhooks` who hears of their changes, `auth` who may ask, `http` what
//! all of them share.

pub mod auth;
pub mod cli;
mod commands;
pub mod config;
pub mod crm;
pub mod error;
pub mod http;
pub mod limit;
mod list;
mod serve;
pub mod tenants;
pub mod webhooks;

use std::sync::Arc;

use shared::{Db, TenantTx};

use auth::Caller;
use config::Config;
use http::routes::Route;
use http::streams::Streams;

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// The settings.
    pub config: Arc<Config>,
    /// Answers that stay open.
    pub streams: Streams,
}

impl App {
    /// Begins a transaction that sees the caller's tenant only.
    ///
    /// # Errors
    /// [`error::Error::Unavailable`] when the database cannot be reached.
    pub async fn begin(&self, caller: &Caller) -> error::Result<TenantTx> {
        Ok(self.db.tenant(caller.tenant, caller.origin.clone()).await?)
    }
}

/// Everything that can be called, resource by resource.
#[must_use]
pub fn routes() -> Vec<Route> {
    [
        auth::qr::routes(),
        auth::sessions::routes(),
        auth::demo::routes(),
        crm::contacts::routes(),
        webhooks::routes(),
    ]
    .into_iter()
    .flat_map(http::routes::Routes::into_list)
    .collect()
}
