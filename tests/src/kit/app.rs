//! The api in this process, on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};

use api::config::Config;
use axum::Router;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::Value;
use shared::webhook::target::TargetPolicy;
use shared::{Clock, Db};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::config::{START, config};
use super::{Database, PATIENCE, Tenant};

/// A running api with a database and a clock of its own.
pub struct TestApp {
    /// The database.
    pub database: Database,
    /// The time: it stands still until it is moved.
    pub clock: Clock,
    /// What the handlers of the api see.
    pub api: api::App,
    pub(super) http: reqwest::Client,
    address: SocketAddr,
}

/// A row of the outbox.
#[derive(Debug, sqlx::FromRow)]
pub struct Event {
    /// Whose it is.
    pub tenant_id: Uuid,
    /// Its id.
    pub event_id: Uuid,
    /// Its name.
    pub event: String,
    /// What receivers will get as `data`.
    #[sqlx(json)]
    pub payload: Value,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// The trace of that request.
    pub traceparent: Option<String>,
    /// When the change was made.
    pub occurred_at: DateTime<Utc>,
}

impl TestApp {
    /// Starts the api; webhooks may go to this machine, in plain http.
    pub async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    /// Starts the api at the machine's time, for tests with processes of workers: those go by that, and what was
    /// announced in the tests' own time would be past its retention for them.
    pub async fn present() -> Self {
        Self::on(Database::migrated().await, Clock::system().now(), |_| {}, api::http::app).await
    }

    /// Starts the api as the public Internet would meet it: webhooks only by https and to public addresses.
    pub async fn strict() -> Self {
        Self::configured(|config| config.targets = TargetPolicy::new(false, Vec::new())).await
    }

    /// Starts the api with other settings.
    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        Self::serving(change, api::http::app).await
    }

    /// Starts the api with other settings and other routes.
    pub async fn serving(change: impl FnOnce(&mut Config), router: fn(api::App) -> Router) -> Self {
        Self::on(Database::migrated().await, START.parse().unwrap(), change, router).await
    }

    /// Starts the api on a database with somebody in between who hears what they say to each other.
    pub async fn by_way_of(wire: SocketAddr) -> Self {
        let database = Database::migrated().await.by_way_of(wire);
        Self::on(database, START.parse().unwrap(), |_| {}, api::http::app).await
    }

    async fn on(
        database: Database,
        start: DateTime<Utc>,
        change: impl FnOnce(&mut Config),
        router: fn(api::App) -> Router,
    ) -> Self {
        let clock = Clock::manual(start);
        let mut config = config(&database.app_url());
        change(&mut config);
        let db = Db::new(&config.db, clock.clone());
        let api = api::App::new(db, config, CancellationToken::new()).unwrap();
        tokio::spawn({
            let (db, used) = (api.db.clone(), api.used.clone());
            async move { used.write(&db, CancellationToken::new()).await }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(api.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(axum::serve(listener, router).into_future());
        // Reading the machine's certificates would take most of a test's time, and none is needed here.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        // Between two parts of an answer, not in all: some stay open.
        let http = http.read_timeout(PATIENCE).build().unwrap();
        Self { database, clock, api, http, address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with no credential.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A new tenant, called with its first API key, which may do everything.
    pub async fn tenant(&self, name: &str) -> Tenant {
        Tenant::create(self, name).await
    }

    /// A new tenant that demo login opens under this name.
    pub async fn demo(&self, name: &str) {
        let email = format!("owner@{name}.example");
        let (db, pepper) = (&self.api.db, &self.api.config.pepper);
        api::tenants::create(db, pepper, "Demo", &email, Some(name)).await.unwrap();
    }

    /// Moves the time forward.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Everything that was announced and not yet relayed, oldest first.
    pub async fn outbox(&self) -> Vec<Event> {
        sqlx::query_as(
            "select tenant_id, event_id, event, payload, request_id, traceparent, occurred_at
             from outbox order by id",
        )
        .fetch_all(self.database.admin())
        .await
        .unwrap()
    }

    /// The names of [`TestApp::outbox`].
    pub async fn announced(&self) -> Vec<String> {
        self.outbox().await.into_iter().map(|event| event.event).collect()
    }
}
