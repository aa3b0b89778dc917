//! The relay claims what it has made due, in its own transaction.

use chrono::TimeDelta;
use tests::kit::{Tenant, TestApp};
use worker::queue::{Caps, Claims, Slots, claim};
use worker::relay::relay;

const LEASE: TimeDelta = TimeDelta::minutes(1);

async fn announced(app: &TestApp, events: i32) -> Tenant {
    let acme = app.tenant("acme").await;
    acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    app.announce(&acme, "contact.created", events).await;
    acme
}

fn places(total: u32, per_webhook: u32) -> Slots {
    Slots::new(Caps { total, per_webhook, per_tenant: total })
}

#[tokio::test]
async fn what_was_relayed_is_claimed_at_once_and_nobody_else_claims_it() {
    let app = TestApp::start().await;
    announced(&app, 3).await;
    let (db, slots) = (app.worker_db(), places(8, 8));
    let claims = Claims::new(slots.clone(), LEASE);
    let (relayed, claimed) = relay(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len(), slots.free()), (3, 3, 5));
    assert!(claim(&db, &places(8, 8), LEASE, None).await.unwrap().is_empty());

    drop(claimed); // as a worker that dies
    app.advance(LEASE + TimeDelta::seconds(1));
    assert_eq!(claim(&db, &places(8, 8), LEASE, None).await.unwrap().len(), 3);
}

#[tokio::test]
async fn it_keeps_the_caps_and_leaves_the_rest_to_the_next_claim() {
    let app = TestApp::start().await;
    announced(&app, 5).await;
    let (db, slots) = (app.worker_db(), places(8, 2));
    let claims = Claims::new(slots.clone(), LEASE);
    let (relayed, claimed) = relay(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len()), (5, 2));
    assert!(claims.claim(&db).await.unwrap().is_empty(), "the webhook has no room");

    drop(claimed);
    assert_eq!(claims.claim(&db).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_free_place_it_only_relays() {
    let app = TestApp::start().await;
    let acme = announced(&app, 1).await;
    let (db, slots) = (app.worker_db(), places(1, 1));
    let claims = Claims::new(slots.clone(), LEASE);
    let (_, busy) = relay(&db, Some(&claims)).await.unwrap();
    assert_eq!((busy.len(), slots.free()), (1, 0));
    app.announce(&acme, "contact.updated", 1).await;
    let (relayed, claimed) = relay(&db, Some(&claims)).await.unwrap();
    assert_eq!((relayed.deliveries, claimed.len()), (1, 0));
}
