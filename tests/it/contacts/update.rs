//! Changing: PUT is a merge, and PATCH its exact name (requirement C-4).

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{COMPANIES, CONTACTS, START, TestApp};

use super::{at, john};

const LATER: &str = "2026-01-02T03:05:05.678Z";

#[tokio::test]
async fn put_and_patch_change_what_they_name_and_leave_the_rest() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let [before_put, before_patch] = [john(&acme).await, john(&acme).await];
    app.advance(TimeDelta::minutes(1));

    for (method, before) in [(Method::PUT, before_put), (Method::PATCH, before_patch)] {
        let mut after = before.clone();
        after["company"] = json!("Globex");
        after["version"] = json!(2);
        after["updatedAt"] = json!(LATER);
        let answer = acme.call(method, &at(&before), Some(json!({"company": " Globex "}))).await;
        assert_eq!(answer.ok(), after);
        assert_eq!(acme.get(&at(&before)).await.ok(), after);
    }
}

#[tokio::test]
async fn null_clears_an_optional_field() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    let cleared =
        acme.put(&at(&contact), json!({"email": null, "phone": null, "company": null})).await.ok();
    for field in ["email", "phone", "phoneE164", "company"] {
        assert_eq!(cleared.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(cleared["name"], "John Doe");
}

#[tokio::test]
async fn a_new_phone_brings_its_normalised_form() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    for (phone, e164) in
        [("+44 20 7946 0958", json!("+442079460958")), ("030 1234567", Value::Null)]
    {
        let changed = acme.patch(&at(&contact), json!({"phone": phone})).await.ok();
        assert_eq!((&changed["phone"], &changed["phoneE164"]), (&json!(phone), &e164));
    }
}

#[tokio::test]
async fn every_failing_field_of_a_change_is_named_at_once_and_none_takes_effect() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    for method in [Method::PUT, Method::PATCH] {
        let body = json!({
            "name": null, "email": "", "phone": "12", "company": "\u{1b}[31mAcme", "nickname": "J",
        });
        acme.call(method, &at(&contact), Some(body)).await.invalid(&json!({
            "name": "Must not be null",
            "email": "Invalid email format",
            "phone": "Invalid phone format",
            "company": "Must not contain control characters",
            "nickname": "Unknown field",
        }));
        acme.put(&at(&contact), json!({"name": "", "company": "Globex"}))
            .await
            .invalid(&json!({"name": "Must be 1 to 100 characters"}));
    }
    assert_eq!(acme.get(&at(&contact)).await.ok(), contact);
}

#[tokio::test]
async fn a_contact_can_be_sent_back_as_it_was_got() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut contact = john(&acme).await;
    contact["name"] = json!("Jane Doe");
    contact["updatedAt"] = json!("a member that only the api sets");
    let changed = acme.put(&at(&contact), contact.clone()).await.ok();
    assert_eq!(changed["name"], "Jane Doe");
    assert_eq!((&changed["updatedAt"], &changed["version"]), (&json!(START), &json!(2)));
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_trace() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    app.advance(TimeDelta::minutes(1));
    for body in [
        json!({}),
        contact.clone(),
        json!({"name": "  John Doe "}),
        json!({"email": "john@example.com"}),
    ] {
        assert_eq!(acme.put(&at(&contact), body).await.ok(), contact);
    }
    assert_eq!(app.announced().await, ["contact.created"]);
}

#[tokio::test]
async fn two_changes_at_once_both_take_effect() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    let path = at(&contact);
    // Both have read their request and stand at the row before either may change it.
    let hold = app.database.hold("select from contacts for update").await;
    let release = async {
        app.database.waiting(2).await;
        hold.release().await;
    };

    let (name, company, ()) = tokio::join!(
        acme.put(&path, json!({"name": "Jane Doe"})),
        acme.put(&path, json!({"company": "Globex"})),
        release,
    );

    let mut versions = [name.ok()["version"].take(), company.ok()["version"].take()];
    versions.sort_by_key(Value::as_i64);
    assert_eq!(versions, [json!(2), json!(3)]);
    let after = acme.get(&path).await.ok();
    assert_eq!((&after["name"], &after["company"]), (&json!("Jane Doe"), &json!("Globex")));
    assert_eq!(acme.get(CONTACTS).await.page().items, [after]);
}

#[tokio::test]
async fn the_companys_name_follows_when_somebody_else_was_quicker() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let [one, two, three] = ["One", "Two", "Three"].map(|name| json!({"name": name}));
    let one = acme.post(COMPANIES, one).await.created();
    let two = acme.post(COMPANIES, two).await.created();
    let three = acme.post(COMPANIES, three).await.created();
    let ada = acme.post(CONTACTS, json!({"name": "Ada", "companyId": one["id"]})).await.created();
    let quicker = format!(
        "update contacts set company_id = '{}', company = 'Two', version = version + 1",
        two["id"].as_str().unwrap()
    );
    let hold = app.database.hold(&quicker).await;
    let path = at(&ada);
    let commit = async {
        app.database.waiting(1).await;
        hold.commit().await;
    };
    let change = json!({"companyId": three["id"]});
    let (changed, ()) = tokio::join!(acme.put(&path, change), commit);
    assert_eq!(changed.ok()["company"], "Three");
}
