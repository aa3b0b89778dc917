//! Order per record: one delivery of a record after the other, and no other record waits for it.

mod changes;
mod failures;
mod plan;
mod races;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Subscriber, Tenant, TestApp};
use uuid::Uuid;

/// Of each record the versions that were sent, and whether they were taken.
type Calls = BTreeMap<String, Vec<(i64, bool)>>;

/// What a receiver was sent of each record: the versions in the order of their arrival, and whether it took them.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Calls>>);

impl Heard {
    /// Listens at a webhook; `judge` says whether a version of a record is taken.
    fn at(
        subscriber: &Subscriber,
        mut judge: impl FnMut(&str, i64) -> bool + Send + 'static,
    ) -> Self {
        let heard = Self::default();
        let inside = heard.clone();
        subscriber.receiver.judge(move |call| {
            let data = call.json()["data"].clone();
            let (record, version) =
                (data["id"].as_str().unwrap(), data["version"].as_i64().unwrap());
            let taken = judge(record, version);
            let mut heard = inside.0.lock().unwrap();
            heard.entry(record.to_owned()).or_default().push((version, taken));
            if taken { 200 } else { 503 }
        });
        heard
    }

    fn all(&self) -> Calls {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, record: &str) -> Vec<(i64, bool)> {
        self.all().remove(record).unwrap_or_default()
    }

    /// The versions of a record that were taken.
    fn taken(&self, record: &str) -> Vec<i64> {
        self.of(record)
            .into_iter()
            .filter(|(_, taken)| *taken)
            .map(|(version, _)| version)
            .collect()
    }
}

/// A webhook whose deliveries go in order.
async fn ordered(acme: &Tenant) -> Subscriber {
    let subscriber = acme.subscribe(&["contact.*"]).await;
    acme.put(&subscriber.path(), json!({"ordering": "record"})).await.ok();
    subscriber
}

/// A contact; its id.
async fn contact(acme: &Tenant) -> String {
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    contact["id"].as_str().unwrap().to_owned()
}

/// Changes a contact so many times; each is an event.
async fn change(acme: &Tenant, contact: &str, times: usize) {
    for _ in 0..times {
        let company = Uuid::from_u128(rand::random()).to_string();
        acme.put(&format!("{CONTACTS}/{contact}"), json!({"company": company})).await.ok();
    }
}

/// What holds of the queue at any moment between transactions: the first of each line has a due time, all others none.
async fn broken_lines(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "select count(*) from (
             select next_retry >= in_line() as waits,
                    row_number() over (partition by webhook_id, record order by sequence) = 1 as first
             from webhook_queue where record is not null) q
         where waits = first",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap()
}

async fn queued(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from webhook_queue")
        .fetch_one(app.database.admin())
        .await
        .unwrap()
}

/// One member of a webhook's deliveries, in the order of their events.
async fn each(subscriber: &Subscriber, member: &str) -> Vec<Value> {
    let mut deliveries = subscriber.deliveries().await;
    deliveries.sort_by_key(|delivery| delivery["sequence"].as_i64());
    deliveries.into_iter().map(|mut delivery| delivery[member].take()).collect()
}
