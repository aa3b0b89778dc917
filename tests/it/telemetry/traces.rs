//! One trace from the caller's request through the outbox to the receiver, as a collector gets it.

use serde_json::json;
use tests::kit::{CONTACTS, Collector, Credential, Span};
use tokio::net::TcpListener;

use super::{CALLER_SPAN, Delivered, PRIVATE, TRACE, delivered, delivered_after};

/// Ends both programs, which send what is left.
async fn end(product: &mut Delivered) {
    assert!(product.api.stop().await.success());
    assert!(product.worker.stop().await.success());
}

/// The spans of this name, in the order in which they began.
fn named<'a>(trace: &'a [Span], name: &str) -> Vec<&'a Span> {
    trace.iter().filter(|span| span.name == name).collect()
}

#[track_caller]
fn only<'a>(trace: &'a [Span], name: &str) -> &'a Span {
    let found = named(trace, name);
    assert_eq!(found.len(), 1, "{name} in {trace:#?}");
    found[0]
}

#[track_caller]
fn says(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        let found = span.attributes.get(*key).map(String::as_str);
        assert_eq!(found, Some(*value), "{key} of {span:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_callers_request_to_the_receiver() {
    let collector = Collector::start().await;
    let mut product = delivered(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]).await;
    end(&mut product).await;

    let trace = collector.trace(TRACE);
    let tenant = product.acme.id.to_string();
    let request = only(&trace, "POST /api/v1/connection/contacts");
    assert_eq!((&*request.parent_id, request.kind, request.status), (CALLER_SPAN, 2, 0));
    says(
        request,
        &[
            ("http.request.method", "POST"),
            ("http.route", CONTACTS),
            ("http.response.status_code", "201"),
            ("request_id", "request-of-the-test"),
            ("tenant_id", &tenant),
        ],
    );
    let delivery = only(&trace, "deliver contact.created");
    assert_eq!((&delivery.parent_id, delivery.kind, delivery.status), (&request.span_id, 3, 0));
    let port = product.subscriber.receiver.url();
    let port = port.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    says(
        delivery,
        &[
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("tenant_id", &tenant),
            ("request_id", "request-of-the-test"),
            ("delivery_id", product.call.header("webhook-id")),
            ("attempt", "1"),
        ],
    );
    assert_eq!(product.call.header("traceparent"), format!("00-{TRACE}-{}-01", delivery.span_id));
    for (span, service) in [(request, "liaison-api"), (delivery, "liaison-worker")] {
        assert_eq!(span.resource["service.name"], service);
        assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_a_span_below_the_request() {
    let collector = Collector::start().await;
    let endpoint = collector.url();
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("WEBHOOK_RETRY_SCHEDULE", "50ms,50ms")];
    let mut product = delivered_after(&[500, 503], &variables).await;
    end(&mut product).await;

    let trace = collector.trace(TRACE);
    let request = only(&trace, "POST /api/v1/connection/contacts");
    let attempts = named(&trace, "deliver contact.created");
    assert_eq!(attempts.len(), 3, "{trace:#?}");
    for (number, (span, status)) in attempts.iter().zip([500, 503, 200]).enumerate() {
        assert_eq!(span.parent_id, request.span_id);
        says(
            span,
            &[
                ("attempt", &(number + 1).to_string()),
                ("http.response.status_code", &status.to_string()),
            ],
        );
        let resent = span.attributes.get("http.request.resend_count");
        assert_eq!(resent.map(String::as_str), [None, Some("1"), Some("2")][number]);
        let error = span.attributes.get("error.type").map(String::as_str);
        let expected = if status == 200 { (0, None) } else { (2, Some("http_status")) };
        assert_eq!((span.status, error), expected, "{span:#?}");
    }
    let last = attempts[2];
    assert_eq!(product.call.header("traceparent"), format!("00-{TRACE}-{}-01", last.span_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_holds_a_secret_a_credential_a_body_or_the_path_of_a_webhook() {
    let collector = Collector::start().await;
    let mut product = delivered(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]).await;
    let secret_path =
        format!("{}/path-private?token=query-private", product.subscriber.receiver.url());
    let webhook = product.acme.webhook(&secret_path, &["*"]).await;
    product.acme.post(CONTACTS, json!({"name": PRIVATE, "email": PRIVATE})).await;
    product.acme.get(&format!("{CONTACTS}?q={PRIVATE}")).await.page();
    product.acme.get(&format!("/api/v1/{PRIVATE}")).await;
    product.acme.post(CONTACTS, json!({"name": PRIVATE})).await.created();
    product.app.wait_until("delivered", 3).await;
    end(&mut product).await;

    let spans = collector.all();
    assert!(spans.len() >= 8, "{spans:#?}");
    let Credential::ApiKey(key) = &product.acme.credential else { panic!("a key") };
    for (what, text) in [
        ("a body", PRIVATE),
        ("an API key", key),
        ("a webhook secret", product.subscriber.secret.strip_prefix("whsec_").unwrap()),
        ("another", webhook["secret"].as_str().unwrap()),
        ("a path", "path-private"),
        ("a query", "query-private"),
    ] {
        let found = spans.iter().find(|span| span.text.contains(text));
        assert!(found.is_none(), "{what} is in {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_receiver_still_hears_the_callers_trace() {
    let product = delivered(&[]).await;
    let traceparent = product.call.header("traceparent");
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")), "{traceparent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let mut product = delivered(&variables).await;
    for number in 0..20 {
        product.acme.post(CONTACTS, json!({"name": format!("N{number}")})).await.created();
    }
    product.subscriber.receiver.wait_for(21).await;
    product.app.wait_until("delivered", 21).await;
    for program in [&product.api, &product.worker] {
        let lost = |_, text: &str| !text.contains("trace_spans_total{outcome=\"lost\"} 0");
        program.wait_until("/metrics", lost).await;
    }
    end(&mut product).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sampler_decides_which_traces_are_sent_and_a_caller_may_only_where_it_is_asked() {
    let collector = Collector::start().await;
    let endpoint = collector.url();
    for (sampler, sent) in [("parentbased_always_off", true), ("traceidratio", false)] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ];
        let before = collector.all().len();
        let mut product = delivered(&variables).await;
        product.acme.post(CONTACTS, json!({"name": "without a trace"})).await.created();
        product.app.wait_until("delivered", 2).await;
        end(&mut product).await;
        let spans = collector.all();
        let of_caller = spans[before..].iter().filter(|span| span.trace_id == TRACE).count();
        assert_eq!((spans.len() - before, of_caller > 0), (of_caller, sent), "{sampler}");
    }
}
