//! Tokens that are not true.

use shared::id::{LeaseId, TenantId};
use tests::kit::{Subscriber, TestApp};
use tests::servers::Redis;

use super::{client, key, wait_for, wait_until_up, worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_twice_is_sent_once_and_one_that_is_made_up_or_of_another_tenant_never()
{
    let app = TestApp::present().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let (ours, theirs) = (acme.subscribe(&["*"]).await, globex.subscribe(&["*"]).await);
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    // As if a worker had claimed it and offered a token.
    let lease = LeaseId::fresh(app.clock.now());
    let id: uuid::Uuid = sqlx::query_scalar(
        "update webhook_queue set lease_id = $1, next_retry = now() + interval '1 hour' returning id",
    )
    .bind(lease.0)
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    let token = |tenant: TenantId, webhook, lease| format!("{tenant}/{webhook}/{id}/{lease}");
    let forged = [
        b"garbage".to_vec(),
        vec![0xff, 0xfe, 0x00],
        token(globex.id, ours.id, lease).into_bytes(),
        token(globex.id, theirs.id, lease).into_bytes(),
        token(acme.id, theirs.id, lease).into_bytes(),
        token(acme.id, ours.id, LeaseId::fresh(app.clock.now())).into_bytes(),
    ];

    let redis = Redis::start().await.unwrap();
    let worker = worker(&app, &redis.url()).await;
    wait_until_up(&worker, true).await;
    let mut connection = client(&redis).await;
    let tokens = key(&mut connection, "tokens").await;
    let mut push = redis::cmd("rpush");
    push.arg(&tokens).arg(&forged);
    let _: u32 = push.query_async(&mut connection).await.unwrap();
    wait_for(&worker, "queue_tokens_stale_total", 6.0).await;
    assert_eq!(app.count("pending").await, 1);

    for _ in 0..3 {
        let mut push = redis::cmd("rpush");
        push.arg(&tokens).arg(&[token(acme.id, ours.id, lease), token(acme.id, ours.id, lease)]);
        let _: u32 = push.query_async(&mut connection).await.unwrap();
    }
    app.wait_until("delivered", 1).await;
    wait_for(&worker, "queue_tokens_stale_total", 11.0).await;
    assert_eq!(ours.receiver.only_call().header("webhook-id"), id.to_string());
    assert!(theirs.receiver.calls().is_empty());
    wait_until_up(&worker, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_webhook_that_was_switched_off_meanwhile_sends_nothing() {
    sends_nothing_after(async |_, subscriber| subscriber.switch(false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_webhook_that_asked_for_time_meanwhile_sends_nothing() {
    let hold = "update webhooks set held_until = now() + interval '1 hour'";
    sends_nothing_after(async |app, _| app.database.execute(hold).await).await;
}

/// A token is offered, this happens, and then it is taken.
async fn sends_nothing_after(happens: impl AsyncFnOnce(&TestApp, &Subscriber)) {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let token: String = sqlx::query_scalar(
        "update webhook_queue set lease_id = gen_random_uuid(), next_retry = now() + interval '1 hour'
         returning concat_ws('/', tenant_id, webhook_id, id, lease_id)",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    happens(&app, &subscriber).await;

    let redis = Redis::start().await.unwrap();
    let worker = worker(&app, &redis.url()).await;
    let mut connection = client(&redis).await;
    let tokens = key(&mut connection, "tokens").await;
    let mut push = redis::cmd("rpush");
    let _: u32 = push.arg(tokens).arg(token).query_async(&mut connection).await.unwrap();
    wait_for(&worker, "queue_tokens_stale_total", 1.0).await;
    assert!(subscriber.receiver.calls().is_empty());
    assert_eq!(app.count("pending").await, 1);
}
