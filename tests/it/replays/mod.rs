//! Sending many deliveries again, by time, status and event.

mod ask;
mod crash;
mod outage;
mod pace;
mod redrive;
mod select;
mod turns;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::kit::{Answer, PATIENCE, Subscriber, Tenant, TestApp};
use tokio::time::timeout;
use uuid::Uuid;
use worker::steps::Steps;

/// Deliveries of a webhook as they lie in the database when they have ended: one each second from a moment on.
pub struct Past<'a> {
    pub webhook: Uuid,
    pub status: &'a str,
    pub event: &'a str,
    pub from: DateTime<Utc>,
    pub count: i32,
}

impl Past<'_> {
    pub async fn plant(&self, admin: &PgPool) {
        sqlx::query(
            "insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, status, skip_reason, attempts,
                                         last_error, created_at, delivered_at)
             select w.tenant_id, d.id, w.id, o.id, $2, json_build_object('id', d.id, 'event', $2, 'data', json_build_object('number', n)),
                    $3, case when $3 = 'skipped' then 'webhook_inactive' end, case $3 when 'failed' then 5 when 'delivered' then 1 else 0 end,
                    case when $3 = 'failed' then 'http_status' end, t.at, case when $3 = 'delivered' then t.at end
             from webhooks w, generate_series(0, $5 - 1) n
             cross join lateral (select $4::timestamptz + n * interval '1 second' as at) t
             cross join lateral (select (left(first_id(t.at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid as id) o
             cross join lateral (select delivery_id(o.id, w.id) as id) d
             where w.id = $1",
        )
        .bind(self.webhook)
        .bind(self.event)
        .bind(self.status)
        .bind(self.from)
        .bind(self.count)
        .execute(admin)
        .await
        .unwrap();
    }
}

/// An app with a webhook that has failed deliveries of the last hour, one each second.
async fn with_failed(count: i32) -> (TestApp, Tenant, Subscriber, Steps) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let from = app.clock.now() - TimeDelta::hours(1);
    let event = "contact.created";
    let past = Past { webhook: subscriber.id, status: "failed", event, from, count };
    past.plant(app.database.admin()).await;
    let worker = app.worker();
    (app, acme, subscriber, worker)
}

fn path(subscriber: &Subscriber) -> String {
    format!("{}/replays", subscriber.path())
}

async fn ask(tenant: &Tenant, subscriber: &Subscriber, body: Value) -> Answer {
    tenant.post(&path(subscriber), body).await
}

/// The path of a replay.
fn at(replay: &Value) -> String {
    let (webhook, id) = (replay["webhookId"].as_str().unwrap(), replay["id"].as_str().unwrap());
    format!("/api/v1/webhooks/{webhook}/replays/{id}")
}

/// The counters: selected, replayed, delivered, failed, pending.
fn counts(replay: &Value) -> [i64; 5] {
    ["total", "replayed", "delivered", "failed", "pending"]
        .map(|name| replay[name].as_i64().unwrap())
}

/// Lets the worker do everything that it does in so many tenths of a second.
async fn run(app: &TestApp, worker: &mut Steps, beats: usize) {
    for _ in 0..beats {
        worker.replay().await.unwrap();
        worker.drain().await.unwrap();
        app.advance(TimeDelta::milliseconds(100));
    }
}

/// Lets the worker go on until no replay does.
async fn finish(app: &TestApp, worker: &mut Steps) {
    let open = "select exists (select from webhook_replays where due_at is not null)";
    let over = async {
        while sqlx::query_scalar(open).fetch_one(app.database.admin()).await.unwrap() {
            run(app, worker, 1).await;
        }
    };
    timeout(PATIENCE, over).await.expect("every replay ends");
}

/// How many deliveries have had so many cycles.
async fn with_cycle(app: &TestApp, cycle: i32) -> i64 {
    sqlx::query_scalar("select count(*) from webhook_events where cycle = $1")
        .bind(cycle)
        .fetch_one(app.database.admin())
        .await
        .unwrap()
}

fn time(at: DateTime<Utc>) -> Value {
    json!(shared::clock::rfc3339(at))
}
