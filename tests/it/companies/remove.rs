//! Deleting, and bringing back within 30 days.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{COMPANIES, TestApp};

use super::{at, globex};

#[tokio::test]
async fn a_deleted_company_is_gone_from_everywhere_and_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (gone, kept) = (globex(&acme).await, globex(&acme).await);
    acme.delete(&at(&gone)).await.no_content();
    acme.get(&at(&gone)).await.not_found("Company not found");
    acme.put(&at(&gone), json!({"name": "A"})).await.not_found("Company not found");
    acme.delete(&at(&gone)).await.not_found("Company not found");
    assert_eq!(acme.get(COMPANIES).await.page().items, std::slice::from_ref(&kept));
    assert_eq!(acme.get(&format!("{COMPANIES}?q=globex")).await.page().items, [kept]);
    app.advance(TimeDelta::days(30));

    let restored = acme.post(&format!("{}/restore", at(&gone)), json!({})).await.ok();

    let mut expected = gone.clone();
    expected["version"] = json!(3);
    expected["updatedAt"] = json!("2026-02-01T03:04:05.678Z");
    assert_eq!(restored, expected);
    assert_eq!(acme.post(&format!("{}/restore", at(&gone)), json!({})).await.ok(), expected);
}

#[tokio::test]
async fn after_thirty_days_a_deleted_company_stays_gone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let company = globex(&acme).await;
    acme.delete(&at(&company)).await.no_content();
    app.advance(TimeDelta::days(30) + TimeDelta::milliseconds(1));
    acme.post(&format!("{}/restore", at(&company)), json!({})).await.not_found("Company not found");
}
