//! What a tenant has had erased, and what operators see of it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::scope::Scope;
use tests::kit::{CONTACTS, Program, TestApp, sample};

use super::{ask, at, begun, erase};

const ERASURES: &str = "/api/v1/erasures";

#[tokio::test]
async fn the_erasures_of_a_tenant_are_listed_newest_first_with_how_far_they_are() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let mut asked = Vec::new();
    let mut contacts = Vec::new();
    for name in ["Ada", "Bob", "Cy"] {
        app.advance(TimeDelta::minutes(1));
        let contact = acme.post(CONTACTS, json!({"name": name})).await.created();
        asked.push(begun(&ask(&acme, &contact).await));
        contacts.push(contact);
    }
    let theirs = other.post(CONTACTS, json!({"name": "Dan"})).await.created();
    begun(&ask(&other, &theirs).await);

    let all = acme.get(ERASURES).await.page();
    asked.reverse();
    assert_eq!(all.items, asked);
    assert_eq!(all.pagination["total"], 3);
    let id = |value: &Value| value["recordId"].as_str().unwrap().to_owned();
    let records = |items: &[Value]| items.iter().map(id).collect::<Vec<_>>();
    let first = acme.get(&format!("{ERASURES}?pageSize=2&sort=createdAt")).await.page();
    let cursor = first.pagination["nextCursor"].as_str().unwrap();
    let rest =
        acme.get(&format!("{ERASURES}?pageSize=2&sort=createdAt&cursor={cursor}")).await.page();
    let mut paged = records(&first.items);
    paged.extend(records(&rest.items));
    paged.reverse();
    assert_eq!(paged, records(&asked));

    let one = format!("{ERASURES}?recordId={}", id(&asked[1]));
    assert_eq!(records(&acme.get(&one).await.page().items), [id(&asked[1])]);
    let since = contacts[1]["createdAt"].as_str().unwrap();
    let since = format!("{ERASURES}?createdAt[gt]={since}");
    assert_eq!(records(&acme.get(&since).await.page().items), [id(&asked[0])]);
    assert_eq!(
        acme.get(&format!("{ERASURES}?status=completed")).await.page().items,
        Vec::<serde_json::Value>::new()
    );
    let worker = app.worker();
    let done = erase(&app, &worker, &acme, &contacts[0]).await;
    let completed = acme.get(&format!("{ERASURES}?status=completed")).await.page();
    assert!(completed.items.contains(&done), "{:#?}", completed.items);
    let fault = json!({"status": "Must be one of running, completed"});
    acme.get(&format!("{ERASURES}?status=failed")).await.invalid(&fault);
}

#[tokio::test]
async fn a_list_of_erasures_takes_the_right_to_erase() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.with_scopes(&[Scope::ContactsRead, Scope::ContactsWrite]).await;
    let fault = reader.get(ERASURES).await.problem(403, "INSUFFICIENT_SCOPE");
    assert_eq!(fault["details"]["scope"], "contacts:erase");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_which_erasures_wait_for_how_long_and_that_they_end() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    for name in ["Ada", "Bob"] {
        let contact = acme.post(CONTACTS, json!({"name": name})).await.created();
        begun(&ask(&acme, &contact).await);
        acme.get(&at(&contact)).await.problem(404, "NOT_FOUND");
    }
    // Nobody can take them meanwhile.
    let held = app.database.hold("select from erasures for update").await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    let waits = |text: &str| {
        sample(text, "erasures_pending") == Some(2.0)
            && sample(text, "erasures_oldest_seconds").is_some_and(|seconds| seconds > 0.0)
    };
    worker.wait_until("/metrics", |_, text| waits(text)).await;
    let (_, text) = worker.admin("/metrics").await;
    assert_eq!(sample(&text, "erasures_finished_total"), Some(0.0), "{text}");
    held.release().await;
    let over = |text: &str| {
        ["erasures_finished_total", "erasures_pending", "erasures_oldest_seconds"]
            .map(|name| sample(text, name))
            == [Some(2.0), Some(0.0), Some(0.0)]
    };
    worker.wait_until("/metrics", |_, text| over(text)).await;
}
