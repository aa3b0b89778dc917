//! Changing.

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, COMPANIES, Tenant, TestApp};

use super::{at, globex};

#[tokio::test]
async fn put_and_patch_change_what_they_name_and_null_clears() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for method in [Method::PUT, Method::PATCH] {
        let mut expected = globex(&acme).await;
        app.advance(TimeDelta::seconds(1));
        let change = json!({"employees": 251, "website": null});
        let after = acme.call(method, &at(&expected), Some(change)).await.ok();
        expected["employees"] = json!(251);
        expected["website"] = Value::Null;
        expected["version"] = json!(2);
        expected["updatedAt"] = after["updatedAt"].clone();
        assert_eq!(after, expected);
        assert_ne!(after["updatedAt"], after["createdAt"]);
        assert_eq!(acme.get(&at(&expected)).await.ok(), expected);
    }
}

#[tokio::test]
async fn every_failing_field_of_a_change_is_named_and_none_takes_effect() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let change = json!({"name": null, "website": "javascript:alert(1)", "employees": "12", "industry": null});
    acme.put(&at(&company), change).await.invalid(&json!({
        "name": "Must not be null",
        "website": "Must be an http or https address with a host",
        "employees": "Must be a whole number from 0 to 10000000",
    }));
    assert_eq!(acme.get(&at(&company)).await.ok(), company);
}

#[tokio::test]
async fn a_company_can_be_sent_back_as_it_was_got_and_then_nothing_happens() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    app.advance(TimeDelta::seconds(1));
    assert_eq!(acme.put(&at(&company), company.clone()).await.ok(), company);
    assert_eq!(app.announced().await, ["company.created"]);
}

#[tokio::test]
async fn a_writer_that_saw_an_older_version_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    let seen = acme.get(&at(&company)).await.header("etag").to_owned();
    acme.put(&at(&company), json!({"employees": 1})).await.ok();
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let late = acme.request(method, &at(&company)).header("if-match", &seen);
        Answer::to(late.json(&json!({"employees": 2}))).await.problem(412, "PRECONDITION_FAILED");
    }
    assert_eq!(acme.get(&at(&company)).await.ok()["employees"], 1);
}

/// Three companies with very many contacts, named A, B and C: their paths.
async fn large(app: &TestApp, tenant: &Tenant) -> Vec<String> {
    let mut large = Vec::new();
    for name in ["A", "B", "C"] {
        large.push(at(&tenant.post(COMPANIES, json!({"name": name})).await.created()));
    }
    let many = "insert into contacts (tenant_id, id, name, company, company_id, created_at, updated_at)
                select tenant_id, gen_random_uuid(), 'Ada', name, id, now(), now() from companies, generate_series(1, 1001)";
    app.database.execute(many).await;
    large
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_repeats_the_name_waits_for_no_other_companys() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let large = large(&app, &acme).await;
    let hold = app.database.hold("select from contacts for update").await;
    let renamed = large[..2].iter().map(|company| acme.put(company, json!({"name": "Z"})));
    let meanwhile = async {
        app.database.waiting(2).await;
        let same = acme.put(&large[2], json!({"name": "C", "employees": 7})).await;
        hold.release().await;
        same
    };
    let (renamed, same) = tokio::join!(join_all(renamed), meanwhile);
    assert!(renamed.iter().all(|answer| answer.status == 200));
    assert_eq!(same.ok()["employees"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn companies_with_very_many_contacts_are_renamed_two_at_a_time_and_keep_nobody_else_waiting()
{
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let large = large(&app, &acme).await;
    let (small, theirs) = (globex(&acme).await, globex(&other).await);
    let hold = app.database.hold("select from contacts for update").await;
    let renamed = large.iter().map(|company| acme.put(company, json!({"name": "Z"})));
    let mut renamed: FuturesUnordered<_> = renamed.collect();
    let meanwhile = async {
        app.database.waiting(2).await;
        acme.put(&at(&small), json!({"name": "Small"})).await.ok();
        other.put(&at(&theirs), json!({"name": "Other"})).await.ok();
    };
    // Nobody waits for a place for ever, though the contacts are held for as long as it takes.
    let (first, ()) = tokio::join!(renamed.next(), meanwhile);
    assert_eq!(first.unwrap().status, 429);
    hold.release().await;
    let others: Vec<_> = renamed.map(|answer| answer.status.as_u16()).collect().await;
    assert_eq!(others, [200, 200]);
}
