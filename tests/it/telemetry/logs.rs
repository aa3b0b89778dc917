//! The lines of api and worker: whose and which, never what.

use base64::Engine as _;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, PEPPER, Program, SECRET_KEY, TOKEN_KEY, until};

use super::{PRIVATE, TRACE, delivered};

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
    let failing_secret = failing.secret.strip_prefix("whsec_").unwrap();
    let standard = product.call.header("webhook-signature").split(' ');
    let standard = standard.map(|one| one.split_once(',').unwrap().1);
    let document = product.call.header("x-webhook-signature").split(',');
    let document = document.map(|one| one.split_once('=').unwrap().1);
    let signatures = standard.chain(document).map(|one| ("a signature", one));
    for (what, text) in [
        ("an API key", key.as_str()),
        ("an access token", &token),
        ("a webhook secret", secret),
        ("the other webhook's secret", failing_secret),
        ("a body", PRIVATE),
        ("the pepper", PEPPER),
        ("a signing key", TOKEN_KEY),
        ("the key of secrets", SECRET_KEY),
        ("the database's password", &password),
    ]
    .into_iter()
    .chain(signatures)
    {
        for program in [&product.api, &product.worker] {
            let log = program.log();
            assert!(log.contains(r#""level":"DEBUG""#), "it says no more than usual: {log}");
            let line = log.lines().find(|line| line.contains(text));
            assert!(line.is_none(), "{what} is in the log: {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_for_people_say_the_same_in_words() {
    let product = delivered(&[("LOG_FORMAT", "text")]).await;
    let tenant = product.acme.id.to_string();
    for (program, message) in [(&product.api, "request"), (&product.worker, "attempt")] {
        let log = program.log();
        let fits = |line: &&str| line.contains(TRACE) && line.contains(message);
        let line = log.lines().find(fits).unwrap_or_else(|| panic!("no {message} in {log}"));
        assert!(serde_json::from_str::<Value>(line).is_err(), "{line}");
        assert!(line.contains("request-of-the-test") && line.contains(&tenant), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_errors_alone_still_says_which_delivery_of_which_request_they_are_about() {
    let mut product = delivered(&[("LOG", "error")]).await;
    let traceparent = product.call.header("traceparent");
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")), "{traceparent}");
    assert_eq!(product.api.log(), "");

    // A worker with another key can open no secret.
    product.worker.stop().await;
    let other = format!("1:{}", base64::engine::general_purpose::STANDARD.encode([7; 32]));
    let variables = [("LOG", "error"), ("SECRET_KEYS", other.as_str())];
    let worker = Program::worker(&product.app.database.worker_url(), &variables).await;
    let contact = product.acme.request(http::Method::POST, CONTACTS);
    let contact = contact.header("x-request-id", "another").json(&json!({"name": "Grace"}));
    assert_eq!(contact.send().await.unwrap().status(), 201);
    let unreadable = |line: &&Value| line["code"] == "secret_unreadable";
    until("the worker says so", async || worker.log_lines().iter().any(|line| unreadable(&line)))
        .await;
    let lines = worker.log_lines();
    let line = lines.iter().find(unreadable).unwrap();
    assert_eq!(line["span"]["request_id"], "another");
    assert_eq!(line["span"]["tenant_id"], product.acme.id.to_string());
    assert!(line["span"]["delivery_id"].is_string(), "{line}");
    assert!(lines.iter().all(|line| line["level"] == "ERROR"), "{lines:#?}");
}
