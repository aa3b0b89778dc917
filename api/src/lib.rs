//! The REST API. `crm` holds the records, `webhooks` who hears of their changes, `auth` who may ask, `http` what
//! all of them share.

mod api_keys;
pub mod audit;
pub mod auth;
pub mod cli;
mod commands;
pub mod config;
pub mod crm;
pub mod details;
pub mod erasures;
pub mod error;
pub mod event_log;
mod events;
pub mod http;
pub mod limit;
pub mod list;
pub mod me;
mod measured;
pub mod meta;
mod serve;
pub mod settings;
pub mod tenants;
pub mod users;
pub mod webhooks;

use std::ops::Deref;
use std::sync::Arc;

pub(crate) use shared::changes;
use shared::{Db, TenantTx};
use tokio_util::sync::CancellationToken;

use auth::oidc::Issuer;
use auth::{Caller, Callers, LastUsed};
use config::Config;
use error::BoxError;
use event_log::Followers;
use http::permits::TenantPermits;
use http::routes::Route;
use http::streams::Streams;
use http::{Answer, Reply};
use limit::Limits;

/// What every handler can reach; cheap to clone, because every layer of every request has one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// Uploads at once in this process, and of one tenant.
const UPLOADS: usize = 16;
const UPLOADS_OF_ONE: usize = 4;
/// Changes of companies with all their contacts, of pipelines with very many leads, counts of replays: fewer than there
/// are connections.
const SWEEPS: usize = 4;
const SWEEPS_OF_ONE: usize = 2;
/// Pages of webhooks' feeds that are read: each may ask a filter about a thousand events.
const FEEDS: usize = 4;
/// Of these, of one tenant.
pub const FEEDS_OF_ONE: usize = 2;
/// Checks of signatures.
const CHECKS: usize = 8;
const CHECKS_OF_ONE: usize = 2;

/// The parts of an [`App`].
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The settings.
    pub config: Arc<Config>,
    /// Answers that stay open.
    pub streams: Streams,
    /// Who follows the event log.
    pub followers: Followers,
    /// Imports that are being received: each holds a few MiB, and for long if its sender is slow.
    pub uploads: TenantPermits,
    /// Changes of companies and pipelines with very many records, and counts of replays: each holds a connection, for
    /// up to a minute.
    pub sweeps: TenantPermits,
    /// Pages of webhooks' feeds that are being read: each holds a connection, for seconds where a filter passes little.
    pub feeds: TenantPermits,
    /// Signatures that are being checked: each holds its body until it is its turn.
    pub checks: TenantPermits,
    /// How often callers may do what.
    pub limits: Limits,
    /// Who looks up the callers.
    pub callers: Callers,
    /// When keys were last used.
    pub used: LastUsed,
    /// The outside issuer whose access tokens are accepted, too.
    pub issuer: Option<Issuer>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the parts together, within a runtime. Answers that stay open end with `stop`.
    ///
    /// # Errors
    /// When TLS for asking the outside issuer cannot be set up, for instance because the system has no root
    /// certificates.
    pub fn new(db: Db, config: Config, stop: CancellationToken) -> Result<Self, BoxError> {
        let issuer = config.oidc.as_ref().map(|oidc| Issuer::new(oidc, db.clock().clone()));
        let issuer = issuer.transpose()?;
        let limits = Limits::new(config.limits.clone(), db.clock().clone());
        let followers = Followers::until(stop.clone(), db.clone());
        let streams = Streams::until(stop);
        let uploads =
            TenantPermits::new(UPLOADS, UPLOADS_OF_ONE, "too many imports are being received");
        let sweeps =
            TenantPermits::new(SWEEPS, SWEEPS_OF_ONE, "too many large changes are being made");
        let feeds =
            TenantPermits::new(FEEDS, FEEDS_OF_ONE, "too many feeds of webhooks are being read");
        let checks =
            TenantPermits::new(CHECKS, CHECKS_OF_ONE, "too many signatures are being checked");
        let (callers, used) = (Callers::default(), LastUsed::default());
        let config = Arc::new(config);
        Ok(Self(Arc::new(Parts {
            db,
            config,
            streams,
            followers,
            uploads,
            sweeps,
            feeds,
            checks,
            limits,
            callers,
            used,
            issuer,
        })))
    }

    /// Begins a transaction that sees the caller's tenant only.
    ///
    /// # Errors
    /// [`error::Error::Unavailable`] when the database cannot be reached.
    pub async fn begin(&self, caller: &Caller) -> error::Result<TenantTx> {
        Ok(self.db.tenant(caller.tenant, caller.origin.clone()).await?)
    }

    /// The same for a record that is most likely stored by one statement, which is then all that is sent. An answer
    /// that is kept for a repetition, or taken back, takes more.
    ///
    /// # Errors
    /// As for [`App::begin`].
    pub async fn begin_creation(&self, caller: &Caller) -> error::Result<TenantTx> {
        if caller.terms.dry_run || caller.terms.idempotency_key.is_some() {
            return self.begin(caller).await;
        }
        Ok(self.db.tenant_unbegun(caller.tenant, caller.origin.clone()).await?)
    }

    /// The same for reads by statements that set their tenant themselves: a record ([`shared::find!`]), a list.
    /// Anything else comes behind [`TenantTx::open`].
    ///
    /// # Errors
    /// As for [`App::begin`].
    pub async fn begin_reading(&self, caller: &Caller) -> error::Result<TenantTx> {
        Ok(self.db.tenant_unbegun(caller.tenant, caller.origin.clone()).await?)
    }

    /// Ends a transaction that changes something, as the caller wants it: commits what succeeded and keeps the
    /// answer for a repetition, or only tries; rolls back what failed.
    ///
    /// # Errors
    /// The failure itself, or the commit's.
    pub async fn commit<A: Answer>(
        &self,
        caller: &Caller,
        mut tx: TenantTx,
        done: error::Result<A>,
    ) -> error::Result<Reply> {
        let mut reply = done.and_then(Answer::reply);
        if let (Ok(answer), Some(key)) = (&reply, &caller.terms.idempotency_key)
            && let Err(error) = key.keep(self, caller, &mut tx, answer).await
        {
            reply = Err(error);
        }
        match reply {
            Ok(reply) if caller.terms.dry_run => Ok(reply.rehearsed(tx.rehearse().await?)),
            reply => tx.finish(reply).await,
        }
    }
}

/// Everything that can be called, resource by resource.
#[must_use]
pub fn routes() -> Vec<Route> {
    [
        auth::qr::routes(),
        auth::sessions::routes(),
        auth::demo::routes(),
        me::routes(),
        crm::contacts::routes(),
        crm::contacts::import::routes(),
        crm::companies::routes(),
        crm::leads::routes(),
        crm::pipelines::routes(),
        crm::activities::routes(),
        erasures::routes(),
        users::routes(),
        settings::routes(),
        api_keys::routes(),
        webhooks::routes(),
        webhooks::signing::routes(),
        webhooks::debug::routes(),
        webhooks::replays::routes(),
        webhooks::test_events::routes(),
        event_log::routes(),
        audit::routes(),
        meta::routes(),
    ]
    .into_iter()
    .flat_map(http::routes::Routes::into_list)
    .collect()
}
