//! The numbers of api and worker: there from the start, few enough, and such that those of many processes add up.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use http::Method;
use serde_json::json;
use tests::kit::{CONTACTS, PATIENCE, Program, Reply, TestApp, sample, until};

use super::delivered;

/// Every series with its labels, without what it is at.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_tell_prometheus_what_dashboards_and_alerts_need() {
    let product = delivered(&[]).await;
    let (status, api) = product.api.admin("/metrics").await;
    assert_eq!(status, 200);
    let created =
        r#"http_requests_total{method="POST",route="/api/v1/connection/contacts",status="201"}"#;
    assert_eq!(sample(&api, created), Some(1.0));
    assert!(api.contains("http_request_duration_seconds_bucket{"), "{api}");
    assert!(sample(&api, r#"db_connections{state="open"}"#) >= Some(1.0), "{api}");

    // The gauges are set by parts of the worker that begin one after the other; the first is the last of a round of
    // housekeeping.
    let set =
        ["webhook_deliveries_in_line", "clock_offset_seconds", "event_log_until_timestamp_seconds"];
    product
        .worker
        .wait_until("/metrics", |_, text| {
            // What a round has met on its way, the next one does not find any more.
            let idle = |gauge: &&str| text.contains(&format!("\n{gauge} 0\n"));
            let due =
                ["webhook_oldest_due_seconds", "outbox_oldest_seconds", "webhook_deliveries_due"];
            set.iter().all(|gauge| text.contains(gauge)) && due.iter().all(idle)
        })
        .await;
    let (_, worker) = product.worker.admin("/metrics").await;
    for (series, expected) in [
        (r#"webhook_attempts_total{outcome="delivered",error="none"}"#, 1.0),
        (r#"webhook_deliveries_total{outcome="delivered"}"#, 1.0),
        ("webhook_delivery_latency_seconds_count", 1.0),
        ("webhook_leases_expired_total", 0.0),
        ("imports_pending", 0.0),
        (r#"webhook_attempts_total{outcome="retry",error="secret_unreadable"}"#, 0.0),
        ("webhook_deliveries_expired_total", 0.0),
    ] {
        assert_eq!(sample(&worker, series), Some(expected), "{series}\n{worker}");
    }
    for (program, text) in [("api", &api), ("worker", &worker)] {
        let built = format!("liaison_build_info{{program=\"{program}\",version=\"");
        let built = |line: &str| line.starts_with(&built) && line.ends_with("\"} 1");
        assert!(text.lines().any(built), "{text}");
        for (series, least) in [
            ("process_resident_memory_bytes", 1e6),
            ("process_open_fds", 3.0),
            ("process_threads", 2.0),
            ("db_connection_wait_seconds_count", 1.0),
            ("db_connections_max", 12.0),
        ] {
            assert!(sample(text, series) >= Some(least), "{series}\n{text}");
        }
        // Both clocks are this machine's, only that somebody may be slow in asking.
        let offset = sample(text, "clock_offset_seconds").unwrap();
        assert!(offset.abs() < PATIENCE.as_secs_f64(), "{text}");
    }
    let now = shared::Clock::system().now();
    let until = sample(&worker, "event_log_until_timestamp_seconds").unwrap();
    let ahead = until - (now - chrono::DateTime::UNIX_EPOCH).as_seconds_f64();
    assert!((2.9 * 86_400.0..=4.1 * 86_400.0).contains(&ahead), "{ahead} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_are_in_the_same_buckets_everywhere_so_that_they_add_up() {
    let product = delivered(&[]).await;
    let (_, api) = product.api.admin("/metrics").await;
    let (_, worker) = product.worker.admin("/metrics").await;
    let mut all = BTreeSet::new();
    for text in [&api, &worker] {
        assert!(!text.contains("quantile="), "a summary cannot be added up:\n{text}");
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        for name in types.filter_map(|of| of.strip_suffix(" histogram")) {
            let bucket = format!("{name}_bucket{{");
            let lines = text.lines().filter(|line| line.starts_with(&bucket));
            let edges: BTreeSet<_> = lines.filter_map(|line| line.split("le=\"").nth(1)).collect();
            let edges = edges.into_iter().filter_map(|rest| rest.split('"').next());
            let edges: BTreeSet<_> = edges.map(str::to_owned).collect();
            assert!(edges.contains("+Inf") && edges.len() > 10, "{name}: {edges:?}");
            all.insert(edges);
        }
    }
    assert_eq!(all.len(), 1, "{all:#?}");
}

/// What strangers and tenants can do to make a label: any path, method, id, name, code.
async fn noise(app: &TestApp, api: &str, round: usize) {
    for tenant in 0..2 {
        let tenant = app.tenant(&format!("noise-{round}-{tenant}")).await.through(api.to_owned());
        let contact = tenant.post(CONTACTS, json!({"name": format!("N{round}")})).await.created();
        tenant.get(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await;
        tenant
            .get(&format!("{CONTACTS}/{}", shared::id::fresh(shared::Clock::system().now())))
            .await;
        tenant.post(CONTACTS, json!({"name": [round]})).await;
        tenant
            .get(&format!(
                "/api/v1/made-up-{round}/{}",
                shared::id::fresh(shared::Clock::system().now())
            ))
            .await;
        for word in ["BREW", "PURGE", "TRACE"] {
            let method = Method::from_bytes(format!("{word}{round}").as_bytes()).unwrap();
            let sent = tenant.request(method, CONTACTS).send().await.unwrap();
            assert_eq!(sent.status(), 405);
        }
        let wrong = tenant.request(Method::PUT, CONTACTS).send().await.unwrap();
        assert_eq!(wrong.status(), 405);
        let stranger = tenant.request(Method::GET, CONTACTS);
        stranger.header("x-api-key", format!("made-up-{round}")).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tenants_paths_methods_and_webhooks_make_no_more_series() {
    let product = delivered(&[("WEBHOOK_RETRY_SCHEDULE", "50ms")]).await;
    let (mut before, mut sizes) = (BTreeSet::new(), Vec::new());
    for round in 0..3 {
        noise(&product.app, &product.api.url(), round).await;
        let one_more = product.acme.subscribe(&["*"]).await;
        one_more.receiver.script([500]);
        let name = format!("R{round}");
        product.acme.post(CONTACTS, json!({"name": name})).await.created();
        one_more.receiver.wait_for(2).await;
        product.worker.wait_until("/metrics", |_, text| text.contains("webhooks_unhealthy")).await;
        let (_, api) = product.api.admin("/metrics").await;
        let (_, worker) = product.worker.admin("/metrics").await;
        let after: BTreeSet<_> = series(&api).into_iter().chain(series(&worker)).collect();
        sizes.push(after.len());
        if round == 2 {
            let fresh: Vec<_> = after.difference(&before).collect();
            assert!(fresh.is_empty(), "{sizes:?}: {fresh:#?}");
            let stray = after.iter().find(|one| one.contains("made-up") || one.contains("BREW"));
            assert_eq!(stray, None);
        }
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_worker_died_is_counted_when_it_is_claimed_again() {
    let mut product = delivered(&[]).await;
    product.worker.stop().await;
    product.acme.post(CONTACTS, json!({"name": "left behind"})).await.created();
    // As a worker leaves it that dies between the claim and the outcome, once its lease has ended.
    let relayed = product.app.worker_db();
    worker::relay::Relay::default().batch(&relayed, None).await.unwrap();
    product.app.database.execute("update webhook_queue set claims = 1, lease_id = id").await;
    product.worker.restart().await;
    product.app.wait_until("delivered", 2).await;
    let (_, text) = product.worker.admin("/metrics").await;
    assert_eq!(sample(&text, "webhook_leases_expired_total"), Some(1.0), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhooks_own_rate_limit_holds_back_is_in_no_gauge_that_scales_or_pages() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"rateLimit": 1})).await.ok();
    app.announce(&acme, "contact.created", 60).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    subscriber.receiver.wait_for(6).await;
    // Each round of housekeeping looks again; none of the last five seconds may have found anything late.
    let (_, text) = worker.admin("/metrics").await;
    assert_eq!(sample(&text, "webhook_oldest_due_seconds"), Some(0.0), "{text}");
    assert_eq!(sample(&text, "webhook_delivery_latency_seconds_count"), Some(0.0), "{text}");
    assert!(app.count("pending").await > 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_because_its_webhook_was_off_or_asked_for_time_is_not_our_lateness() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let busy = Reply::status(503).header("retry-after", "1");
    subscriber.receiver.script([Reply::status(200), busy]);
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    app.advance(TimeDelta::milliseconds(1));
    subscriber.switch(false).await;
    subscriber.switch(true).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    app.wait_until("delivered", 1).await;
    // The second asks for time, in which the third comes.
    app.announce(&acme, "contact.created", 1).await;
    let asked = "select held_until is not null from webhooks";
    until("it has asked", async || {
        sqlx::query_scalar(asked).fetch_one(app.database.admin()).await.unwrap()
    })
    .await;
    app.announce(&acme, "contact.created", 1).await;
    app.wait_until("delivered", 2).await;
    let (_, text) = worker.admin("/metrics").await;
    assert_eq!(sample(&text, "webhook_delivery_latency_seconds_count"), Some(1.0), "{text}");
}
