//! Revoking.

use serde_json::json;
use tests::kit::{API_KEYS, Program, START, TestApp};

use super::{at, knock, let_in, made, reader, unknown};

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_for_good_and_its_row_is_kept() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, key) = reader(&acme, json!({})).await;
    acme.delete(&at(&shown)).await.no_content();

    unknown(knock(&key).await);
    let kept = acme.get(&at(&shown)).await.ok();
    assert_eq!((&kept["revokedAt"], &kept["version"]), (&json!(START), &json!(2)));
    assert_eq!(acme.get(API_KEYS).await.page().names(), ["First key"]);
    acme.put(&at(&shown), json!({"active": true})).await.not_found("API key not found");
    acme.post(&format!("{}/rotate", at(&shown)), json!({})).await.not_found("API key not found");
    acme.delete(&at(&shown)).await.not_found("API key not found");
    unknown(knock(&key).await);
}

#[tokio::test]
async fn a_revocation_reaches_every_process_and_every_secret_of_the_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let other = Program::api(&app.database.app_url(), &[]).await;
    let (shown, first) = reader(&acme, json!({})).await;
    let rotated =
        acme.post(&format!("{}/rotate", at(&shown)), json!({"overlapSeconds": 604_800})).await;
    let (_, second) = made(&acme, rotated.ok());
    // The other process lives in real time, which is past any overlap of this test's.
    for caller in [&first, &second, &second.through(other.url())] {
        let_in(knock(caller).await);
    }
    acme.through(other.url()).delete(&at(&shown)).await.no_content();
    for caller in [&first, &second, &first.through(other.url()), &second.through(other.url())] {
        unknown(knock(caller).await);
    }
}

#[tokio::test]
async fn a_key_can_revoke_itself() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.get(API_KEYS).await.page().items[0].clone();
    acme.delete(&at(&id)).await.no_content();
    unknown(acme.get(API_KEYS).await);
}
