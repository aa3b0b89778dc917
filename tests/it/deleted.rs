//! Where to find what was deleted, for as long as it can be brought back (requirement C-5).

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::rfc3339;
use shared::scope::Scope;
use tests::kit::{COMPANIES, CONTACTS, LEADS, Tenant, TestApp, with};

/// Every list of records that can be restored, with a record for it.
fn kinds() -> [(&'static str, Value); 3] {
    [
        (CONTACTS, json!({"name": "Ada", "email": "ada@example.com"})),
        (COMPANIES, json!({"name": "ACME", "employees": 12})),
        (LEADS, json!({"title": "Deal", "status": "new", "value": 9.5})),
    ]
}

fn at(list: &str, record: &Value) -> String {
    format!("{list}/{}", record["id"].as_str().unwrap())
}

/// What the list of deleted records shows.
async fn deleted(tenant: &Tenant, list: &str, query: &str) -> Vec<Value> {
    tenant.get(&format!("{list}/deleted{query}")).await.page().items
}

fn ids(records: &[Value]) -> Vec<&Value> {
    records.iter().map(|record| &record["id"]).collect()
}

/// How the list shows a record that was deleted in its first version.
fn gone(record: &Value, when: &str) -> Value {
    with(&with(record, "version", json!(2)), "deletedAt", json!(when))
}

#[tokio::test]
async fn what_was_deleted_is_listed_as_it_was_last_the_newest_first() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (list, body) in kinds() {
        let first = acme.post(list, body.clone()).await.created();
        let second = acme.post(list, body.clone()).await.created();
        acme.post(list, body).await.created();
        assert_eq!(deleted(&acme, list, "").await, [Value::Null; 0], "{list}");

        let mut shown = Vec::new();
        for record in [first, second] {
            acme.delete(&at(list, &record)).await.no_content();
            shown.insert(0, gone(&record, &rfc3339(app.clock.now())));
            app.advance(TimeDelta::seconds(1));
        }

        assert_eq!(deleted(&acme, list, "").await, shown, "{list}");
        let until = format!("?deletedAt[lte]={}", shown[1]["deletedAt"].as_str().unwrap());
        assert_eq!(deleted(&acme, list, &until).await, shown[1..], "{list}");
        shown.reverse();
        assert_eq!(deleted(&acme, list, "?sort=deletedAt").await, shown, "{list}");
    }
}

#[tokio::test]
async fn it_is_listed_until_it_is_restored_or_can_no_longer_be() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (list, body) in kinds() {
        let (back, late) =
            (acme.post(list, body.clone()).await.created(), acme.post(list, body).await.created());
        for record in [&back, &late] {
            acme.delete(&at(list, record)).await.no_content();
        }
        app.advance(TimeDelta::days(30));
        assert_eq!(ids(&deleted(&acme, list, "").await).len(), 2, "{list}");

        acme.post(&format!("{}/restore", at(list, &back)), json!({})).await.ok();
        assert_eq!(ids(&deleted(&acme, list, "").await), [&late["id"]], "{list}");

        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(deleted(&acme, list, "").await, [Value::Null; 0], "{list}");
        acme.post(&format!("{}/restore", at(list, &late)), json!({}))
            .await
            .problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_restoration_by_a_clock_that_is_behind_does_not_set_the_time_of_the_record_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (list, body) in kinds() {
        let record = acme.post(list, body).await.created();
        app.advance(TimeDelta::seconds(-2));
        acme.delete(&at(list, &record)).await.no_content();
        let restored = acme.post(&format!("{}/restore", at(list, &record)), json!({})).await.ok();
        assert_eq!(restored["updatedAt"], record["updatedAt"], "{list}");
        app.advance(TimeDelta::seconds(2));
    }
}

#[tokio::test]
async fn an_erased_contact_is_not_among_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ada = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    acme.delete(&at(CONTACTS, &ada)).await.no_content();
    acme.call(Method::POST, &format!("{}/erase", at(CONTACTS, &ada)), None).await;
    assert_eq!(deleted(&acme, CONTACTS, "").await, [Value::Null; 0]);
}

#[tokio::test]
async fn it_is_paged_like_any_list_and_asks_for_the_right_to_read() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (list, body) in kinds() {
        let mut all = Vec::new();
        for _ in 0..3 {
            let record = acme.post(list, body.clone()).await.created();
            acme.delete(&at(list, &record)).await.no_content();
            all.insert(0, record["id"].clone());
            app.advance(TimeDelta::milliseconds(1));
        }
        let page = acme.get(&format!("{list}/deleted?pageSize=2&fields=id")).await.page();
        let cursor = page.pagination["nextCursor"].as_str().unwrap().to_owned();
        let rest = deleted(&acme, list, &format!("?pageSize=2&cursor={cursor}")).await;
        let seen = [&page.items[..], &rest[..]].concat();
        assert_eq!(ids(&seen), all.iter().collect::<Vec<_>>(), "{list}");
        let answer = acme.get(&format!("{list}/deleted?name=Ada")).await;
        answer.invalid(&json!({"name": "Unknown parameter"}));
        let stranger = acme.with_scopes(&[Scope::ActivitiesRead]).await;
        stranger.get(&format!("{list}/deleted")).await.problem(403, "INSUFFICIENT_SCOPE");
    }
}
