//! A receiver that hangs or a tenant with deep queues costs the others nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use shared::id::WebhookId;
use tests::kit::{CONTACTS, Program, Reply, Subscriber, TcpServer, TestApp, through_redis};
use worker::queue::{Caps, Claimed, Slots, claim};
use worker::relay::Relay;

/// How many of these go to each webhook.
fn shares(claimed: &[Claimed]) -> BTreeMap<WebhookId, usize> {
    claimed.iter().fold(BTreeMap::new(), |mut shares, one| {
        *shares.entry(one.delivery.webhook).or_default() += 1;
        shares
    })
}

fn id(subscriber: &Subscriber) -> WebhookId {
    WebhookId(subscriber.id)
}

#[tokio::test]
async fn a_thousand_deliveries_to_a_hanging_receiver_do_not_keep_another_tenant_waiting() {
    let app = TestApp::start().await;
    let (busy, calm) = (app.tenant("busy").await, app.tenant("calm").await);
    let tarpit = TcpServer::silent().await;
    busy.webhook(&tarpit.url(), &["*"]).await;
    let subscriber = calm.subscribe(&["*"]).await;
    app.announce(&busy, "contact.created", 1000).await;
    calm.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker_with(|config| config.limits.total = Duration::from_secs(2));
    worker.relay().await.unwrap();

    let first = worker.claim().await.unwrap();
    assert_eq!(first.len(), 33, "one webhook's cap, and the other tenant's one");
    assert_eq!(shares(&first)[&id(&subscriber)], 1);

    // The hanging one holds all it may have: the next claim is the other tenant's alone.
    calm.post(CONTACTS, json!({"name": "Bob"})).await.created();
    worker.relay().await.unwrap();
    let second = worker.claim().await.unwrap();
    assert_eq!(shares(&second), BTreeMap::from([(id(&subscriber), 1)]));
    assert!(worker.claim().await.unwrap().is_empty());

    let claimed = first.into_iter().chain(second).collect();
    let (delivered, calls) = tokio::join!(worker.deliver(claimed), subscriber.receiver.wait_for(2));
    delivered.unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!((app.count("delivered").await, app.count("pending").await), (2, 1000));
    assert_eq!(tarpit.connections(), 32);
}

#[tokio::test]
async fn a_claim_keeps_the_caps_of_webhook_tenant_and_worker() {
    let app = TestApp::start().await;
    let (wide, narrow) = (app.tenant("wide").await, app.tenant("narrow").await);
    for tenant in [&wide, &wide, &wide, &narrow] {
        tenant.webhook("http://127.0.0.1:9/", &["*"]).await;
    }
    for tenant in [&wide, &narrow] {
        app.announce(tenant, "contact.created", 50).await;
    }
    let caps = Caps { total: 30, per_webhook: 8, per_tenant: 12 };
    let worker = app.worker_with(|config| config.caps = caps);
    worker.relay().await.unwrap();

    let mut held = Vec::new();
    loop {
        let claimed = worker.claim().await.unwrap();
        if claimed.is_empty() {
            break;
        }
        held.extend(claimed);
    }
    let of = |tenant| held.iter().filter(|one| one.delivery.tenant == tenant).count();
    assert_eq!((of(wide.id), of(narrow.id)), (12, 8));
    assert!(shares(&held).values().all(|share| *share <= 8), "{:?}", shares(&held));

    // Places that become free are given out again, no more.
    held.truncate(16);
    assert_eq!(worker.claim().await.unwrap().len(), 4);

    let small = app.worker_with(|config| config.caps = Caps { total: 3, ..caps });
    // Through Redis both workers together keep the caps, and the first one has used them up.
    let room = if through_redis() { 0 } else { 3 };
    assert_eq!(small.claim().await.unwrap().len(), room);
}

#[tokio::test]
async fn every_webhook_with_a_deep_queue_has_its_share_in_every_claim() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut deep = Vec::new();
    for _ in 0..3 {
        deep.push(acme.subscribe(&["*"]).await);
    }
    app.announce(&acme, "contact.created", 40).await;
    let worker = app.worker_with(|config| config.caps.total = 12);
    worker.relay().await.unwrap();

    for _ in 0..10 {
        let claimed = worker.claim().await.unwrap();
        let expected: BTreeMap<_, _> = deep.iter().map(|subscriber| (id(subscriber), 4)).collect();
        assert_eq!(shares(&claimed), expected);
    }
}

#[tokio::test]
async fn with_fewer_places_than_webhooks_they_take_turns() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for _ in 0..5 {
        acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    }
    app.announce(&acme, "contact.created", 10).await;
    app.worker().relay().await.unwrap();

    let (db, slots) =
        (app.worker_db(), Slots::new(Caps { total: 2, per_webhook: 2, per_tenant: 2 }, None));
    let mut served: BTreeMap<WebhookId, usize> = BTreeMap::new();
    let mut after = None;
    for _ in 0..5 {
        let claimed = claim(&db, &slots, TimeDelta::minutes(1), after).await.unwrap().claimed;
        assert_eq!(claimed.len(), 2);
        after = claimed.last().map(|one| one.delivery.webhook);
        for (webhook, share) in shares(&claimed) {
            *served.entry(webhook).or_default() += share;
        }
    }
    assert_eq!(served.len(), 5);
    assert!(served.values().all(|share| *share == 2), "{served:?}");
}

#[tokio::test]
async fn nobodys_event_waits_for_the_thousand_that_somebody_else_has_before_it() {
    let app = TestApp::start().await;
    let (busy, calm) = (app.tenant("busy").await, app.tenant("calm").await);
    for _ in 0..20 {
        busy.webhook("http://127.0.0.1:9/", &["*"]).await;
    }
    calm.subscribe(&["*"]).await;
    app.announce(&busy, "contact.created", 1000).await;
    app.announce(&calm, "contact.created", 1).await;

    let (db, mut relay) = (app.worker_db(), Relay::default());
    let (first, _) = relay.batch(&db, None).await.unwrap();
    assert!((1..500).contains(&first.events), "a batch weighs its deliveries: {first:?}");
    assert_eq!(first.deliveries, 20 * first.events);
    let (second, _) = relay.batch(&db, None).await.unwrap();
    assert_eq!((second.events, second.deliveries, second.more), (1, 1, true));
    while relay.batch(&db, None).await.unwrap().0.more {}
    assert_eq!(app.count("pending").await, 20 * 1000 + 1);
}

#[tokio::test]
async fn nobodys_event_waits_for_those_of_tenants_that_nobody_listens_to_nor_for_many_tenants() {
    let app = TestApp::start().await;
    let calm = app.tenant("calm").await;
    calm.subscribe(&["*"]).await;
    for name in ["one", "two", "three", "four", "five", "six"] {
        app.announce(&app.tenant(name).await, "contact.created", 400).await;
    }
    app.announce(&calm, "contact.created", 1).await;

    let (db, mut relay) = (app.worker_db(), Relay::default());
    let mut before = 0;
    let calms = loop {
        let (relayed, _) = relay.batch(&db, None).await.unwrap();
        if relayed.deliveries > 0 {
            break relayed;
        }
        before += relayed.events;
    };
    assert!(before <= 3 * 500, "the seven had a turn of at least 400 each: {before}");
    assert!(calms.more);
    while relay.batch(&db, None).await.unwrap().0.more {}
    assert!(app.outbox().await.is_empty());
}

#[tokio::test]
async fn an_event_that_is_announced_again_stops_nobody_while_others_have_their_turn() {
    let app = TestApp::start().await;
    let (busy, calm) = (app.tenant("busy").await, app.tenant("calm").await);
    let (db, mut relay) = (app.worker_db(), Relay::default());
    app.announce(&calm, "contact.created", 1).await;
    app.database.execute("create table kept as select * from outbox").await;
    relay.batch(&db, None).await.unwrap();
    app.announce(&busy, "contact.created", 1100).await;
    app.database
        .execute(
            "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
             select tenant_id, event_id, event, payload, occurred_at from kept",
        )
        .await;
    app.announce(&calm, "contact.created", 1).await;

    let mut batches = 0;
    while relay.batch(&db, None).await.unwrap().0.more {
        batches += 1;
        assert!(batches < 20, "{relay:?}");
    }
    let logged = sqlx::query_scalar::<_, i64>("select count(*) from events")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!((app.outbox().await.len(), logged), (0, 1102));
}

#[tokio::test]
async fn a_batch_has_fewer_events_of_a_tenant_with_long_filters() {
    let app = TestApp::start().await;
    let (plain, choosy) = (app.tenant("plain").await, app.tenant("choosy").await);
    plain.subscribe(&["*"]).await;
    let subscriber = choosy.subscribe(&["*"]).await;
    let texts = (0..50).map(|number| json!({"field": "name", "contains": fresh_text(number)}));
    let filter = json!({"any": texts.collect::<Vec<_>>()});
    choosy.put(&subscriber.path(), json!({"filter": filter})).await.ok();

    let (db, mut relay) = (app.worker_db(), Relay::default());
    app.announce(&plain, "contact.created", 500).await;
    assert_eq!(relay.batch(&db, None).await.unwrap().0.events, 500);
    app.announce(&choosy, "contact.created", 500).await;
    let (longer, _) = relay.batch(&db, None).await.unwrap();
    assert!((1..500).contains(&longer.events), "{longer:?}");
}

/// A text that cannot be compressed.
fn fresh_text(number: u128) -> String {
    uuid::Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_has_as_many_requests_under_way_as_it_may_and_never_more() {
    let app = TestApp::present().await;
    let (wide, narrow) = (app.tenant("wide").await, app.tenant("narrow").await);
    let (of_tenant, of_webhook) = (wide.subscribe(&["*"]).await, narrow.subscribe(&["*"]).await);
    wide.webhook(&of_tenant.receiver.url(), &["*"]).await;
    for (receiver, most) in [(&of_tenant.receiver, 6), (&of_webhook.receiver, 4)] {
        // So late at first that all it may have has come by then.
        receiver.script(vec![Reply::status(200).after(Duration::from_secs(3)); most]);
        receiver.script(vec![Reply::status(200).after(Duration::from_millis(200)); 60]);
    }
    for tenant in [&wide, &narrow] {
        app.announce(tenant, "contact.created", 30).await;
    }
    let caps = [("WEBHOOK_MAX_IN_FLIGHT", "4"), ("WEBHOOK_TENANT_MAX_IN_FLIGHT", "6")];
    let _worker = Program::worker(&app.database.worker_url(), &caps).await;
    app.wait_until("delivered", 90).await;

    assert_eq!((of_webhook.receiver.peak(), of_tenant.receiver.peak()), (4, 6));
}
