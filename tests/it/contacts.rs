//! Contacts.

use serde_json::json;
use tests::kit::TestApp;

const PATH: &str = "/api/v1/connection/contacts";

#[tokio::test]
async fn a_created_contact_is_shown() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(PATH, json!({"name": "Ada"})).await.created();
    assert_eq!(contact["name"], "Ada");
    assert_eq!(app.announced().await, ["contact.created"]);
}
