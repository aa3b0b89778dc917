//! Another secret for the same key.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{API_KEYS, Tenant, TestApp};

use super::{at, expired, knock, let_in, made, reader, record, unknown};

async fn rotate(tenant: &Tenant, key: &Value, overlap: Value) -> (Value, Tenant) {
    let body = json!({"overlapSeconds": overlap});
    made(tenant, tenant.post(&format!("{}/rotate", at(key)), body).await.ok())
}

#[tokio::test]
async fn the_old_secret_works_for_a_day_and_the_new_one_from_now_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, old) = reader(&acme, json!({})).await;
    let answer = acme.request(reqwest::Method::POST, &format!("{}/rotate", at(&shown)));
    let (rotated, new) = made(&acme, tests::kit::Answer::to(answer).await.ok());

    let mut expected = record(&shown);
    expected["prefix"] = rotated["prefix"].clone();
    expected["version"] = json!(2);
    assert_eq!(record(&rotated), expected);
    assert_ne!(rotated["prefix"], shown["prefix"]);
    assert_eq!(acme.get(&at(&shown)).await.ok()["prefix"], rotated["prefix"]);
    app.advance(TimeDelta::hours(24) - TimeDelta::milliseconds(1));
    let_in(knock(&old).await);
    let_in(knock(&new).await);
    app.advance(TimeDelta::milliseconds(1));
    expired(knock(&old).await);
    let_in(knock(&new).await);
}

#[tokio::test]
async fn without_overlap_the_old_secret_ends_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, old) = reader(&acme, json!({})).await;
    let (_, new) = rotate(&acme, &shown, json!(0)).await;
    expired(knock(&old).await);
    let_in(knock(&new).await);
}

#[tokio::test]
async fn a_second_rotation_cuts_no_secret_off_before_its_time_unless_it_is_asked_to() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, first) = reader(&acme, json!({})).await;
    let (_, second) = rotate(&acme, &shown, json!(3_600)).await;
    let (_, third) = rotate(&acme, &shown, json!(7_200)).await;
    app.advance(TimeDelta::seconds(3_599));
    for caller in [&first, &second, &third] {
        let_in(knock(caller).await);
    }
    app.advance(TimeDelta::seconds(1));
    expired(knock(&first).await);
    let_in(knock(&second).await);

    // A leak: everything but the newest ends now.
    let (_, fourth) = rotate(&acme, &shown, json!(0)).await;
    for caller in [&first, &second, &third] {
        expired(knock(caller).await);
    }
    let_in(knock(&fourth).await);
}

#[tokio::test]
async fn every_secret_ends_with_its_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, old) = reader(&acme, json!({"expiresAt": "2026-01-02T04:04:05.678Z"})).await;
    let (_, new) = rotate(&acme, &shown, json!(604_800)).await;
    acme.put(&at(&shown), json!({"active": false})).await.ok();
    unknown(knock(&old).await);
    unknown(knock(&new).await);
    acme.put(&at(&shown), json!({"active": true})).await.ok();
    let_in(knock(&old).await);
    app.advance(TimeDelta::hours(1));
    expired(knock(&old).await);
    expired(knock(&new).await);
}

#[tokio::test]
async fn a_key_can_rotate_itself() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let own = acme.get(API_KEYS).await.page().items[0].clone();
    let (_, renewed) = rotate(&acme, &own, json!(0)).await;
    expired(knock(&acme).await);
    let_in(knock(&renewed).await);
}

#[tokio::test]
async fn an_overlap_is_a_whole_number_of_seconds_up_to_a_week() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, old) = reader(&acme, json!({})).await;
    let fault = "Must be a whole number from 0 to 604800";
    for overlap in [json!(-1), json!(604_801), json!(0.5), json!("24h"), json!(true), json!(1e300)]
    {
        acme.post(
            &format!("{}/rotate", at(&shown)),
            json!({"overlapSeconds": overlap, "overlap": 1}),
        )
        .await
        .invalid(&json!({"overlapSeconds": fault, "overlap": "Unknown field"}));
    }
    assert_eq!(acme.get(&at(&shown)).await.ok()["version"], 1);
    rotate(&acme, &shown, json!(604_800)).await;
    app.advance(TimeDelta::days(7) - TimeDelta::milliseconds(1));
    let_in(knock(&old).await);
}
