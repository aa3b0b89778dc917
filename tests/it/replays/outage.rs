//! Two hours of a receiver's outage at a steady rate of events. `OUTAGE_EVENTS` sets how many in a minute; 3000 are the
//! 50 a second that docs/webhooks.md tells of.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{Tenant, TestApp, WEBHOOKS};
use worker::queue::Caps;
use worker::steps::Steps;

use crate::replays::finish;

const MINUTES: i64 = 2 * 60;
/// A step of the time while the receiver is away.
const STEP: TimeDelta = TimeDelta::seconds(20);

/// A receiver that is away or takes everything, and remembers only what it took.
#[derive(Default)]
struct Ledger {
    back: AtomicBool,
    refused: AtomicUsize,
    taken: Mutex<HashSet<String>>,
}

impl Ledger {
    fn answer(&self, id: &str) -> u16 {
        if !self.back.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return 502;
        }
        self.taken.lock().unwrap().insert(id.to_owned());
        200
    }
}

/// A webhook that points to the ledger and wants a redrive.
async fn webhook(acme: &Tenant, ledger: &Arc<Ledger>) -> String {
    let ledger = ledger.clone();
    let answer = move |headers: http::HeaderMap| {
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let status = ledger.answer(&id);
        async move { http::StatusCode::from_u16(status).unwrap() }
    };
    let router = axum::Router::new().fallback(axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    let body = json!({"url": url, "events": ["*"], "autoRedrive": true});
    let webhook = acme.post(WEBHOOKS, body).await.created();
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap())
}

/// Everything that a worker does in so many minutes, and as many new events in each as are wanted.
async fn pass(app: &TestApp, (worker, acme): (&mut Steps, &Tenant), minutes: i64, events: i32) {
    let steps = i32::try_from(TimeDelta::minutes(1).num_seconds() / STEP.num_seconds()).unwrap();
    for step in 0..i32::try_from(minutes).unwrap() * steps {
        let share = |step: i32| events * step / steps;
        app.announce(acme, "contact.created", share(step + 1) - share(step)).await;
        worker.replay().await.unwrap();
        worker.drain().await.unwrap();
        worker.probe().await.unwrap();
        app.advance(STEP);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hours_of_outage_at_a_steady_rate_lose_nothing_and_nobody_touches_anything() {
    let events = std::env::var("OUTAGE_EVENTS").ok().and_then(|events| events.parse().ok());
    let events: i32 = events.unwrap_or(20);
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ledger = Arc::<Ledger>::default();
    let path = webhook(&acme, &ledger).await;
    // Many at once: the time is moved by hand, and no request takes any of it.
    let caps = Caps { total: 500, per_webhook: 500, per_tenant: 500 };
    let mut worker = app.worker_with(|config| config.caps = caps);

    let began = Instant::now();
    pass(&app, (&mut worker, &acme), MINUTES, events).await;
    let state = |webhook: &Value| webhook["health"].clone();
    assert_eq!(state(&acme.get(&path).await.ok()), "failing");
    let (parked, refused) = (app.count("failed").await, ledger.refused.load(Ordering::SeqCst));
    let away = began.elapsed();

    let began = Instant::now();
    ledger.back.store(true, Ordering::SeqCst);
    let (back, total) = (app.clock.now(), i64::from(events) * MINUTES);
    pass(&app, (&mut worker, &acme), 1, 0).await;
    finish(&app, &mut worker).await;
    let drained = app.clock.now() - back;
    pass(&app, (&mut worker, &acme), 20, 0).await;

    let delivered = app.count("delivered").await;
    let taken = i64::try_from(ledger.taken.lock().unwrap().len()).unwrap();
    println!(
        "{total} events, {refused} refused attempts, {parked} parked; {delivered} delivered, {taken} received, the last \
         parked {drained} after the end; {away:?} and {:?} of real time",
        began.elapsed()
    );
    assert!(delivered * 1000 >= total * 999, "{delivered} of {total}");
    assert_eq!((delivered, taken, app.count("failed").await), (total, total, 0));
    assert!(parked > total / 2, "an outage that the schedule does not outlast: {parked} parked");
    assert_eq!(state(&acme.get(&path).await.ok()), "healthy");
    let redrives = acme.get(&format!("{path}/replays")).await.page();
    assert!(redrives.items.iter().all(|one| one["trigger"] == "redrive"), "nobody asked for one");
}
