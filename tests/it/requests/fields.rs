//! `fields`: only some members of a record.

use serde_json::json;
use tests::kit::{CONTACTS, TestApp};

use super::contact;

#[tokio::test]
async fn only_the_named_members_are_shown_of_a_record_and_of_a_list() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (created, path) = contact(&acme).await;
    let shown = json!({"id": created["id"], "name": "John Doe"});
    assert_eq!(acme.get(&format!("{path}?fields=id,name")).await.ok(), shown);
    let page = acme.get(&format!("{CONTACTS}?fields=name,id&pageSize=5")).await.page();
    assert_eq!(page.items, [shown]);
    assert_eq!(page.pagination["total"], 1);
}

#[tokio::test]
async fn a_member_that_is_none_is_refused_with_those_that_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    for path in [path.as_str(), CONTACTS] {
        for fields in ["colour", "name,", "", "name;id", "NAME"] {
            let answer = acme.get(&format!("{path}?fields={fields}")).await;
            let problem = answer.problem(400, "VALIDATION_ERROR");
            let fault = problem["details"]["fields"].as_str().unwrap();
            assert!(fault.starts_with("Must name some of ") && fault.contains("phoneE164"));
        }
    }
}

#[tokio::test]
async fn errors_are_shown_whole() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("{CONTACTS}/{}?fields=name", uuid::Uuid::nil());
    acme.get(&path).await.not_found("Contact not found");
}
