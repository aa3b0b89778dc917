//! What operators see of the running product: one trace from request to delivery, JSON logs that say whose and which
//! but never what, and the metrics that dashboards and alerts stand on.

use serde_json::{Value, json};
use tests::kit::{
    CONTACTS, Call, Collector, PEPPER, Program, Subscriber, TOKEN_KEY, Tenant, TestApp,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN: &str = "00f067aa0ba902b7";

/// Something in a body that must never be in a log.
const PRIVATE: &str = "Ada-Private-Lovelace";

/// The product running, with one contact created in a known trace and delivered.
struct Delivered {
    app: TestApp,
    api: Program,
    worker: Program,
    acme: Tenant,
    subscriber: Subscriber,
    call: Call,
}

async fn delivered(variables: &[(&str, &str)]) -> Delivered {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let (app_url, worker_url) = (app.database.app_url(), app.database.worker_url());
    let (api, worker) =
        tokio::join!(Program::api(&app_url, variables), Program::worker(&worker_url, variables));
    let acme = acme.through(api.url());
    let answer = acme
        .request(http::Method::POST, CONTACTS)
        .header("traceparent", format!("00-{TRACE}-{CALLER_SPAN}-01"))
        .header("x-request-id", "request-of-the-test")
        .json(&json!({"name": PRIVATE}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-request-id"]),
        (201, &"request-of-the-test".parse().unwrap())
    );
    let call = subscriber.receiver.wait_for(1).await.remove(0);
    app.wait_until("delivered", 1).await;
    Delivered { app, api, worker, acme, subscriber, call }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_callers_request_to_the_receiver() {
    let collector = Collector::start().await;
    let mut product = delivered(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]).await;
    // What is left is sent when a program ends.
    assert!(product.api.stop().await.success());
    assert!(product.worker.stop().await.success());

    let trace = collector.trace(TRACE);
    let find = |name: &str| {
        let mut found = trace.iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no span {name} in {trace:#?}"));
        assert!(found.next().is_none(), "two spans {name} in {trace:#?}");
        span
    };
    let request = find("POST /api/v1/connection/contacts");
    assert_eq!((&*request.parent_id, request.kind), (CALLER_SPAN, 2));
    let delivery = find("deliver contact.created");
    assert_eq!((&delivery.parent_id, delivery.kind), (&request.span_id, 4));
    assert_eq!(product.call.header("traceparent"), format!("00-{TRACE}-{}-01", delivery.span_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_receiver_still_hears_the_callers_trace() {
    let product = delivered(&[]).await;
    let traceparent = product.call.header("traceparent");
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")), "{traceparent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_says_which_request_trace_tenant_and_delivery_it_is_about() {
    let product = delivered(&[]).await;
    let tenant = product.acme.id.to_string();
    let line_of = |lines: Vec<Value>, message: &str| {
        let found = lines
            .iter()
            .find(|line| line["message"] == message && line["span"]["trace_id"] == TRACE);
        found.unwrap_or_else(|| panic!("no line {message:?} of the trace in {lines:#?}")).clone()
    };

    let request = line_of(product.api.log_lines(), "request");
    assert_eq!((&request["level"], &request["status"]), (&json!("INFO"), &json!(201)));
    assert_eq!(request["span"]["request_id"], "request-of-the-test");
    assert_eq!(request["span"]["tenant_id"], tenant);
    assert_eq!(request["span"]["route"], CONTACTS);

    let attempt = line_of(product.worker.log_lines(), "attempt");
    assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!("delivered"), &json!(200)));
    assert_eq!(attempt["span"]["request_id"], "request-of-the-test");
    assert_eq!(attempt["span"]["tenant_id"], tenant);
    assert_eq!(attempt["span"]["delivery_id"], product.call.header("webhook-id"));
    assert_eq!(attempt["span"]["webhook_id"], product.subscriber.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_holds_a_secret_a_credential_or_a_body_even_at_debug() {
    let mut product = delivered(&[("LOG", "debug")]).await;
    let token = {
        let user = product.acme.user(shared::scope::Role::Owner).await;
        product.acme.token(user, shared::Clock::system().now()).await
    };
    let with_token = product.acme.with(tests::kit::Credential::Bearer(token.clone()));
    with_token.get(&format!("{CONTACTS}?q={PRIVATE}")).await.page();
    with_token.post(CONTACTS, json!({"name": [PRIVATE]})).await.problem(400, "VALIDATION_ERROR");
    let failing = product.acme.subscribe(&["*"]).await;
    failing.receiver.script([500]);
    product.acme.post(CONTACTS, json!({"name": PRIVATE})).await.created();
    product.app.wait_until("delivered", 2).await;
    product.api.stop().await;
    product.worker.stop().await;

    let tests::kit::Credential::ApiKey(key) = &product.acme.credential else { panic!("a key") };
    let secret = product.subscriber.secret.strip_prefix("whsec_").unwrap();
    let password =
        url::Url::parse(&product.app.database.app_url()).unwrap().password().unwrap().to_owned();
    for (what, text) in [
        ("an API key", key.as_str()),
        ("an access token", &token),
        ("a webhook secret", secret),
        ("the other webhook's secret", &failing.secret),
        ("a body", PRIVATE),
        ("the pepper", PEPPER),
        ("a signing key", TOKEN_KEY),
        ("the database's password", &password),
        ("a signature", product.call.header("webhook-signature")),
    ] {
        for program in [&product.api, &product.worker] {
            let log = program.log();
            assert!(log.lines().count() > 5);
            let line = log.lines().find(|line| line.contains(text));
            assert!(line.is_none(), "{what} is in the log: {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_tell_prometheus_what_dashboards_and_alerts_need() {
    let product = delivered(&[]).await;
    let metric = |text: &str, start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let (status, api) = product.api.admin("/metrics").await;
    assert_eq!(status, 200);
    let created =
        r#"http_requests_total{method="POST",route="/api/v1/connection/contacts",status="201"}"#;
    assert!((metric(&api, created) - 1.0).abs() < f64::EPSILON);
    assert!(api.contains("http_request_duration_seconds_bucket{"), "{api}");
    assert!(metric(&api, r#"db_connections{state="open"}"#) >= 1.0);

    // The gauges are set by the housekeeping, which comes round every two seconds.
    product
        .worker
        .wait_until("/metrics", |_, text| text.contains("webhook_oldest_due_seconds"))
        .await;
    let (_, worker) = product.worker.admin("/metrics").await;
    for (start, expected) in [
        (r#"webhook_attempts_total{outcome="delivered",error="none"}"#, 1.0),
        (r#"webhook_deliveries_total{outcome="delivered"}"#, 1.0),
        ("webhook_delivery_latency_seconds_count", 1.0),
        ("webhook_oldest_due_seconds", 0.0),
        ("outbox_oldest_seconds", 0.0),
    ] {
        let found = metric(&worker, start);
        assert!((found - expected).abs() < f64::EPSILON, "{start} is {found}\n{worker}");
    }
}
