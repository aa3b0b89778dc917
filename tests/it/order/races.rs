//! Two who touch one line at the same moment: whoever is second sees what the first has done.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tests::kit::{Program, Subscriber, Tenant, TestApp, until};
use uuid::Uuid;
use worker::record_order::stuck::{Line, mend};

use super::{Heard, broken_lines, change, contact, ordered, queued};

/// A webhook with a contact, whose first event is relayed. Whoever comes later waits as long as it takes.
async fn relayed(app: &TestApp, acme: &Tenant) -> (Subscriber, Heard, String) {
    app.database.without_timeouts().await;
    let subscriber = ordered(acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(acme).await;
    app.worker().relay().await.unwrap();
    (subscriber, heard, contact)
}

async fn session(app: &TestApp, sql: &'static str) -> PgConnection {
    let mut session = PgConnection::connect(&app.database.worker_url()).await.unwrap();
    sqlx::raw_sql("begin").execute(&mut session).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut session).await.unwrap();
    session
}

async fn end(mut session: PgConnection, how: &'static str) {
    sqlx::raw_sql(how).execute(&mut session).await.unwrap();
}

/// Waits until the other one waits for a lock of lines, or has not waited for any.
async fn until_it_waits<T>(app: &TestApp, other: &tokio::task::JoinHandle<T>) {
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted
                 and database = (select oid from pg_database where datname = current_database()))";
    while !other.is_finished() {
        if sqlx::query_scalar(waits).fetch_one(app.database.admin()).await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_added_while_the_one_before_it_ends_is_not_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_subscriber, heard, contact) = relayed(&app, &acme).await;
    let ending = session(&app, "delete from webhook_queue").await;
    change(&acme, &contact, 1).await;
    let mut worker = app.worker();
    let relaying = tokio::spawn(async move {
        worker.relay().await.unwrap();
        worker
    });
    until_it_waits(&app, &relaying).await;
    end(ending, "commit").await;
    worker = relaying.await.unwrap();
    assert_eq!((broken_lines(&app).await, queued(&app).await), (0, 1));
    worker.drain().await.unwrap();
    assert_eq!(heard.taken(&contact), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_somebody_holds_keeps_no_other_tenants_events_waiting() {
    let app = TestApp::present().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (_subscriber, heard, contact) = relayed(&app, &acme).await;
    let theirs = other.subscribe(&["*"]).await;
    let ending = session(&app, "delete from webhook_queue").await;
    change(&acme, &contact, 1).await;
    app.announce(&other, "contact.created", 1).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    theirs.receiver.wait_for(1).await;
    // Whoever advances the line waits for it already, so that the first look at the lines comes behind.
    app.database.waiting(1).await;
    assert_eq!(heard.taken(&contact), [0_i64; 0]);
    end(ending, "commit").await;
    until("the line goes on", async || heard.taken(&contact) == [2]).await;
    // Lines are looked through once a minute; it was not that which found it.
    assert!(!worker.log().contains("waited behind nothing"), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_ends_while_the_next_one_is_added_does_not_forget_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_subscriber, heard, contact) = relayed(&app, &acme).await;
    // What the relay does, unfinished.
    let adding = session(
        &app,
        "insert into webhook_queue (tenant_id, id, webhook_id, next_retry, record, sequence)
         select tenant_id, delivery_id(id, id), webhook_id, in_line(), record, 9 from webhook_queue;
         select advance_lines(array_agg(webhook_id), array_agg(record)) from webhook_queue",
    )
    .await;
    let mut worker = app.worker();
    let claimed = worker.claim().await.unwrap();
    let delivering = tokio::spawn(async move { worker.deliver(claimed).await.unwrap() });
    until_it_waits(&app, &delivering).await;
    end(adding, "commit").await;
    delivering.await.unwrap();
    assert_eq!(heard.taken(&contact), [1]);
    assert_eq!((broken_lines(&app).await, queued(&app).await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_is_about_to_remove_holds_nobody_up_and_its_remover_goes_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (how, mended) in
        [("delete from webhook_queue where sequence % 10 = 2; commit", 0), ("rollback", 1)]
    {
        let (subscriber, heard, contact) = relayed(&app, &acme).await;
        // Numbers of their own, whatever was before.
        change(&acme, &contact, 2).await;
        let mut worker = app.worker();
        worker.relay().await.unwrap();
        renumber(&app, subscriber.id).await;
        let removing =
            session(&app, "select from webhook_queue where sequence % 10 = 2 for update").await;
        worker.drain().await.unwrap();
        assert_eq!(heard.taken(&contact), [1], "the first ends, although the second is locked");
        end(removing, how).await;
        assert_eq!(mend(&app.worker_db(), &mut Line::default(), 100).await.unwrap(), mended);
        worker.drain().await.unwrap();
        let rest = if mended == 0 { vec![1, 3] } else { vec![1, 2, 3] };
        assert_eq!((heard.taken(&contact), queued(&app).await), (rest, 0));
    }
}

/// Gives the rows of a webhook the numbers 1, 2 and so on.
async fn renumber(app: &TestApp, webhook: Uuid) {
    let sql = "update webhook_queue q set sequence = n.n from (
                   select id, row_number() over (order by sequence) as n from webhook_queue where webhook_id = $1) n
               where q.id = n.id";
    sqlx::query(sql).bind(webhook).execute(app.database.admin()).await.unwrap();
}
