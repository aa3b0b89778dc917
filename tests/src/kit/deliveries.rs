//! Webhooks under a test's control: who hears of what, the worker step by step, and what a request must be signed with.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use shared::Db;
use shared::settings::Settings;
use sqlx::PgPool;
use standardwebhooks::Webhook;
use uuid::Uuid;
use worker::config::Config;
use worker::steps::Steps;

use super::{Answer, Call, PATIENCE, Receiver, Tenant, TestApp, WEBHOOKS, program};

/// A webhook of a tenant, with the receiver it points to.
pub struct Subscriber {
    /// The webhook's id.
    pub id: Uuid,
    /// The webhook's secret.
    pub secret: String,
    /// Where its deliveries arrive.
    pub receiver: Receiver,
    tenant: Tenant,
}

impl Tenant {
    /// A new webhook for these events, with a receiver of its own.
    pub async fn subscribe(&self, events: &[&str]) -> Subscriber {
        let receiver = Receiver::start().await;
        let webhook = self.webhook(&receiver.url(), events).await;
        Subscriber {
            id: webhook["id"].as_str().unwrap().parse().unwrap(),
            secret: webhook["secret"].as_str().unwrap().to_owned(),
            receiver,
            tenant: self.clone(),
        }
    }

    /// A new webhook that points anywhere; the answer that shows its secret.
    pub async fn webhook(&self, url: &str, events: &[&str]) -> Value {
        self.post(WEBHOOKS, json!({"url": url, "events": events})).await.created()
    }

    /// Everything on its way to a webhook and everything that was, newest first.
    pub async fn deliveries(&self, webhook: &str) -> Vec<Value> {
        self.get(&format!("{WEBHOOKS}/{webhook}/events?pageSize=100")).await.page().items
    }

    /// The one delivery of a webhook.
    pub async fn only_delivery(&self, webhook: &str) -> Value {
        let mut deliveries = self.deliveries(webhook).await;
        assert_eq!(deliveries.len(), 1, "{deliveries:#?}");
        deliveries.remove(0)
    }
}

impl Subscriber {
    /// The webhook's path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{WEBHOOKS}/{}", self.id)
    }

    /// The webhook as the API shows it.
    pub async fn show(&self) -> Value {
        self.tenant.get(&self.path()).await.ok()
    }

    /// Switches it on or off.
    pub async fn switch(&self, active: bool) {
        self.tenant.put(&self.path(), json!({"active": active})).await.ok();
    }

    /// Its deliveries, newest first.
    pub async fn deliveries(&self) -> Vec<Value> {
        self.tenant.deliveries(&self.id.to_string()).await
    }

    /// Its one delivery.
    pub async fn only_delivery(&self) -> Value {
        self.tenant.only_delivery(&self.id.to_string()).await
    }

    /// Asks for a delivery to be sent again.
    pub async fn resend(&self, delivery: &Value) -> Answer {
        let path = format!("{}/events/{}/resend", self.path(), delivery["id"].as_str().unwrap());
        self.tenant.call(Method::POST, &path, None).await
    }
}

impl TestApp {
    /// A worker on this app's database and clock, which does only what it is told to.
    #[must_use]
    pub fn worker(&self) -> Steps {
        self.worker_with(|_| {})
    }

    /// A worker with other settings.
    #[must_use]
    pub fn worker_with(&self, change: impl FnOnce(&mut Config)) -> Steps {
        let mut config = self.worker_config();
        change(&mut config);
        Steps::new(self.worker_db(), &config).unwrap()
    }

    /// The database as a worker sees it.
    #[must_use]
    pub fn worker_db(&self) -> Db {
        Db::new(&self.worker_config().db, self.clock.clone())
    }

    /// The worker's own defaults, and what its process is told in tests.
    fn worker_config(&self) -> Config {
        let variables = program::environment("worker", &self.database.worker_url(), &[]);
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        Config::from_settings(Settings::new(lookup)).unwrap()
    }

    /// Announces so many changes at once, as if a tenant had made them.
    pub async fn announce(&self, tenant: &Tenant, event: &str, count: i32) {
        sqlx::query(
            "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
             select $1, e.id, $2, json_build_object('number', e.number), $3
             from unnest($4::uuid[]) with ordinality e (id, number)",
        )
        .bind(tenant.id.0)
        .bind(event)
        .bind(self.clock.now())
        .bind((0..count).map(|_| shared::id::fresh(self.clock.now())).collect::<Vec<_>>())
        .execute(self.database.admin())
        .await
        .unwrap();
    }

    /// How many deliveries have this status.
    pub async fn count(&self, status: &str) -> i64 {
        sqlx::query_scalar("select count(*) from webhook_events where status = $1")
            .bind(status)
            .fetch_one(self.database.admin())
            .await
            .unwrap()
    }

    /// Waits until so many deliveries have this status, by the work of others.
    pub async fn wait_until(&self, status: &str, count: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.count(status).await;
            if found >= count {
                return;
            }
            assert!(Instant::now() < deadline, "{found} of {count} deliveries are {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Has what workers have leased be due at once: what a dead one had would be only after a minute.
pub async fn expire_leases(admin: &PgPool) {
    let expire = "update webhook_queue set next_retry = now() where lease_id is not null";
    sqlx::query(expire).execute(admin).await.unwrap();
}

impl Call {
    /// Expects the signature that the reference library of Standard Webhooks makes for this request's id, time and
    /// body. The library's own check of the time is left out: time stands still in tests.
    #[track_caller]
    pub fn assert_signed(&self, secret: &str) {
        let time = self.header("webhook-timestamp").parse().expect("a time in seconds");
        let signed = Webhook::new(secret)
            .unwrap()
            .sign(self.header("webhook-id"), time, &self.body)
            .unwrap();
        let items: Vec<&str> = self.header("webhook-signature").split(' ').collect();
        assert_eq!(items.first(), Some(&signed.as_str()), "{items:?}");
    }
}
