//! The relay leases what it relays, so that an idle worker begins it with the commit.

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use serde_json::json;
use tests::kit::{CONTACTS, Tenant, TestApp, WEBHOOKS};
use worker::queue::{Caps, Claims, Filled, Slots, claim};
use worker::relay::Relay;

const LEASE: TimeDelta = TimeDelta::minutes(1);

async fn announced(app: &TestApp, events: i32) -> Tenant {
    let acme = app.tenant("acme").await;
    acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    app.announce(&acme, "contact.created", events).await;
    acme
}

fn places(total: u32, per_webhook: u32) -> Slots {
    Slots::new(Caps { total, per_webhook, per_tenant: total }, None)
}

#[tokio::test]
async fn what_was_relayed_is_claimed_at_once_and_nobody_else_claims_it() {
    let app = TestApp::start().await;
    announced(&app, 3).await;
    let (db, slots) = (app.worker_db(), places(8, 8));
    let claims = Claims::new(slots.clone(), LEASE);
    let (relayed, claimed) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len(), slots.free()), (3, 3, 5));
    assert!(claim(&db, &places(8, 8), LEASE, None).await.unwrap().claimed.is_empty());

    drop(claimed); // as a worker that dies
    app.advance(LEASE + TimeDelta::seconds(1));
    assert_eq!(claim(&db, &places(8, 8), LEASE, None).await.unwrap().claimed.len(), 3);
}

#[tokio::test]
async fn it_keeps_the_caps_and_leaves_the_rest_to_the_next_claim() {
    let app = TestApp::start().await;
    announced(&app, 5).await;
    let (db, slots) = (app.worker_db(), places(8, 2));
    let claims = Claims::new(slots.clone(), LEASE);
    let (relayed, claimed) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len()), (5, 2));
    let Filled { claimed: none, more, .. } = claims.claim(&db).await.unwrap();
    assert!(none.is_empty() && more, "the webhook has no room");

    drop(claimed);
    assert_eq!(claims.claim(&db).await.unwrap().claimed.len(), 2);
}

#[tokio::test]
async fn without_a_free_place_it_only_relays() {
    let app = TestApp::start().await;
    let acme = announced(&app, 1).await;
    let (db, slots) = (app.worker_db(), places(1, 1));
    let claims = Claims::new(slots.clone(), LEASE);
    let (_, busy) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!((busy.len(), slots.free()), (1, 0));
    app.announce(&acme, "contact.updated", 1).await;
    let (relayed, claimed) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len()), (1, 0));
}

#[tokio::test]
async fn what_has_an_order_or_a_rate_limit_is_left_to_the_claim() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let plain = acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    for own in [json!({"ordering": "record"}), json!({"rateLimit": 1})] {
        let mut body = json!({"url": "http://127.0.0.1:9/", "events": ["*"]});
        body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        acme.post(WEBHOOKS, body).await.created();
    }
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let (db, slots) = (app.worker_db(), places(64, 8));
    let claims = Claims::new(slots, LEASE);
    let (relayed, begun) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!(relayed.deliveries, 3);
    let begun: Vec<_> = begun.iter().map(|claimed| claimed.delivery.webhook.to_string()).collect();
    assert_eq!(begun, [plain["id"].as_str().unwrap()]);
    let Filled { claimed, more, .. } = claims.claim(&db).await.unwrap();
    assert_eq!((claimed.len(), more), (2, false));
}

#[tokio::test]
async fn a_place_that_nobody_waits_for_asks_for_no_claim() {
    let app = TestApp::start().await;
    let acme = announced(&app, 1).await;
    let (db, slots) = (app.worker_db(), places(8, 1));
    let claims = Claims::new(slots.clone(), LEASE);
    assert!(!claims.claim(&db).await.unwrap().more, "nothing is due");
    let (_, begun) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    drop(begun);
    assert!(slots.freed().now_or_never().is_none());

    app.announce(&acme, "contact.updated", 2).await;
    let (_, begun) = Relay::default().batch(&db, Some(&claims)).await.unwrap();
    assert_eq!(begun.len(), 1);
    assert!(claims.claim(&db).await.unwrap().more, "one has to wait");
    drop(begun);
    assert!(slots.freed().now_or_never().is_some());
}

#[tokio::test]
async fn the_end_of_a_delivery_lets_the_next_of_its_line_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ordered = json!({"url": "http://127.0.0.1:9/", "events": ["*"], "ordering": "record"});
    acme.post(WEBHOOKS, ordered).await.created();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let (db, slots) = (app.worker_db(), places(64, 64));
    let claims = Claims::new(slots.clone(), LEASE);
    Relay::default().batch(&db, Some(&claims)).await.unwrap();
    let Filled { claimed: first, more, .. } = claims.claim(&db).await.unwrap();
    assert_eq!((first.len(), more), (1, false));
    drop(first);
    assert!(slots.freed().now_or_never().is_some());
}
