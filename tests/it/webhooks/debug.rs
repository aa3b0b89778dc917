//! The signature debugger: scripted mistakes, each as a beginner's code makes it, against real deliveries.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::scope::Scope;
use shared::webhook::signature::{SigningSecret, hmac};
use tests::kit::{CONTACTS, Call, Subscriber, Tenant, TestApp, hex};

/// A delivery that arrived, and the webhook it was for.
struct Scene {
    app: TestApp,
    acme: Tenant,
    subscriber: Subscriber,
    call: Call,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let subscriber = acme.subscribe(&["*"]).await;
        acme.post(CONTACTS, json!({"name": "Zoë", "company": "ACME, Inc: \"x\""})).await.created();
        app.worker().drain().await.unwrap();
        let call = subscriber.receiver.only_call();
        Self { app, acme, subscriber, call }
    }

    fn id(&self) -> &str {
        self.call.header("webhook-id")
    }

    fn time(&self) -> &str {
        self.call.header("webhook-timestamp")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.call.body).unwrap()
    }

    fn secret(&self) -> &str {
        &self.subscriber.secret
    }

    fn key(&self) -> Vec<u8> {
        STANDARD.decode(&self.secret()[6..]).unwrap()
    }

    /// What is signed for `webhook-signature`, with this body.
    fn content(&self, body: &str) -> String {
        format!("{}.{}.{body}", self.id(), self.time())
    }

    /// The request as it arrived, for the debugger.
    fn request(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self
            .call
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        json!({"headers": headers, "body": self.text()})
    }

    async fn check(&self, body: &Value) -> Value {
        let path = format!("{}/signature/verify", self.subscriber.path());
        self.acme.post(&path, body.clone()).await.ok()
    }

    /// The mistakes behind the request with something changed in it.
    async fn changed(&self, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut request = self.request();
        change(&mut request);
        let answer = self.check(&request).await;
        assert_eq!(answer["valid"], false, "{answer:#}");
        codes(&answer)
    }

    /// The mistakes behind what somebody computed for a request that arrived in good order.
    async fn computed(&self, scheme: Option<&str>, computed: String) -> Vec<String> {
        let mut request = self.request();
        request["computed"] = json!(computed);
        request["scheme"] = json!(scheme);
        let answer = self.check(&request).await;
        assert_eq!(answer["signatureValid"], true, "{answer:#}");
        assert_eq!(answer["computedValid"], json!(codes(&answer).is_empty()), "{answer:#}");
        codes(&answer)
    }

    /// The same of `webhook-signature`, in base64.
    async fn standard(&self, key: &[u8], content: &str) -> Vec<String> {
        let mac = STANDARD.encode(hmac(key, content.as_bytes()));
        self.computed(Some("v1"), format!("v1,{mac}")).await
    }
}

fn codes(answer: &Value) -> Vec<String> {
    let mistakes = answer["mistakes"].as_array().unwrap();
    mistakes.iter().map(|mistake| mistake["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_right_is_called_right() {
    let scene = Scene::new().await;
    let valid = scene.check(&scene.request()).await;
    assert_eq!(
        valid,
        json!({"valid": true, "signatureValid": true, "computedValid": null, "mistakes": []})
    );
    for scheme in ["v1", "v1a", "body"] {
        let mut request = scene.request();
        request["scheme"] = json!(scheme);
        assert_eq!(scene.check(&request).await["valid"], true, "{scheme}");
    }
    let none = Vec::<String>::new();
    assert_eq!(scene.standard(&scene.key(), &scene.content(scene.text())).await, none);
    let document = hex(&hmac(scene.secret().as_bytes(), &scene.call.body));
    for written in [format!("sha256={document}"), document] {
        assert_eq!(scene.computed(Some("body"), written.clone()).await, none);
        assert_eq!(scene.computed(None, written).await, none);
    }
}

#[tokio::test]
async fn the_ten_mistakes_of_beginners_are_named_each_by_its_name() {
    let scene = Scene::new().await;
    let (key, secret, text) = (scene.key(), scene.secret().to_owned(), scene.text().to_owned());
    let (id, time) = (scene.id().to_owned(), scene.time().to_owned());
    let right = scene.content(&text);

    // 1. Python: json.dumps(request.json)
    let python = python_dumps(&text);
    assert_ne!(python, text);
    assert_eq!(scene.standard(&key, &scene.content(&python)).await, ["body_reserialised"]);
    // 2. The secret's text is the key.
    assert_eq!(scene.standard(secret.as_bytes(), &right).await, ["secret_not_decoded"]);
    assert_eq!(scene.standard(secret[6..].as_bytes(), &right).await, ["secret_not_decoded"]);
    // 3. The decoded bytes are the key where the text is wanted.
    let document = hex(&hmac(&key, text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["secret_decoded"]);
    // 4. The prefix: Buffer.from("whsec_…", "base64"), and cut off where it belongs in.
    assert_eq!(scene.standard(&node_decode(&secret), &right).await, ["prefix_left_in"]);
    let document = hex(&hmac(secret[6..].as_bytes(), text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["prefix_left_out"]);
    // 5. Milliseconds.
    let millis = format!("{id}.{time}000.{text}");
    assert_eq!(scene.standard(&key, &millis).await, ["timestamp_unit"]);
    // 6. Parts are missing.
    assert_eq!(scene.standard(&key, &text).await, ["id_and_timestamp_missing"]);
    assert_eq!(scene.standard(&key, &format!("{time}.{text}")).await, ["id_missing"]);
    assert_eq!(scene.standard(&key, &format!("{id}.{text}")).await, ["timestamp_missing"]);
    // 7. The encoding.
    let mac = hmac(&key, right.as_bytes());
    assert_eq!(scene.computed(Some("v1"), hex(&mac)).await, ["hex_for_base64"]);
    let document = STANDARD.encode(hmac(secret.as_bytes(), text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["base64_for_hex"]);
    // 8. White space behind the body.
    assert_eq!(scene.standard(&key, &format!("{right}\n")).await, ["trailing_newline"]);
    // 9. A secret of somewhere else.
    let strange = SigningSecret::generate();
    assert_eq!(scene.standard(strange.key().expose(), &right).await, ["wrong_secret"]);
    let other = scene.acme.subscribe(&["lead.created"]).await;
    let other = SigningSecret::parse(&other.secret).unwrap();
    assert_eq!(scene.standard(other.key().expose(), &right).await, ["secret_of_another_webhook"]);
    // 10. A secret that was rotated away.
    let path = format!("{}/secret/rotate", scene.subscriber.path());
    scene.acme.post(&path, json!({"overlapSeconds": 0})).await.ok();
    let mut request = scene.request();
    request["computed"] = json!(format!("v1,{}", STANDARD.encode(mac)));
    let answer = scene.check(&request).await;
    assert_eq!(
        (codes(&answer), &answer["valid"]),
        (vec!["secret_rotated_away".to_owned()], &json!(false))
    );
}

#[tokio::test]
async fn other_mistakes_in_what_is_computed_are_named_too_and_two_at_once() {
    let scene = Scene::new().await;
    let (key, secret, text) = (scene.key(), scene.secret().to_owned(), scene.text().to_owned());
    let (id, time) = (scene.id().to_owned(), scene.time().to_owned());
    let right = scene.content(&text);
    let data = text.split_once("\"data\":").unwrap().1.rsplit_once(",\"occurrenceId\"").unwrap().0;
    let occurrence = scene.call.json()["occurrenceId"].as_str().unwrap().to_owned();
    let event = scene.call.json()["timestamp"].as_str().unwrap().to_owned();
    for (content, code) in [
        (format!("{time}.{id}.{text}"), "wrong_order"),
        (format!("{id}{time}{text}"), "wrong_separator"),
        (format!("{occurrence}.{time}.{text}"), "wrong_id"),
        (format!("{id}.{event}.{text}"), "timestamp_of_event"),
        (scene.content(""), "body_empty"),
        (scene.content("[object Object]"), "body_not_text"),
        (scene.content(&json!(text).to_string()), "body_encoded_twice"),
        (scene.content(data), "only_data"),
        (scene.content(&sorted(&text)), "body_reserialised"),
    ] {
        assert_eq!(scene.standard(&key, &content).await, [code], "{content}");
    }
    let newline = format!("{secret}\n");
    let document = hex(&hmac(newline.as_bytes(), text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document.clone()).await, ["secret_has_whitespace"]);
    let upper = hex(&hmac(secret.as_bytes(), text.as_bytes())).to_uppercase();
    assert_eq!(scene.computed(Some("body"), upper.clone()).await, ["upper_case_hex"]);
    assert_eq!(scene.computed(Some("v1"), upper.to_lowercase()).await, ["other_scheme"]);
    let mac = hmac(&key, right.as_bytes());
    let twice = STANDARD.encode(hex(&mac));
    assert_eq!(scene.computed(Some("v1"), twice).await, ["base64_of_hex"]);
    if let url @ ("-" | "_") = &*URL_SAFE.encode(mac).replace(|c| c != '-' && c != '_', "") {
        assert_eq!(
            scene.computed(Some("v1"), URL_SAFE.encode(mac)).await,
            ["base64_variant"],
            "{url}"
        );
    }
    let plain = {
        use sha2::Digest as _;
        sha2::Sha256::new().chain_update(&key).chain_update(&right).finalize()
    };
    assert_eq!(scene.computed(Some("v1"), STANDARD.encode(plain)).await, ["not_hmac"]);
    // Two at once.
    let two = scene.standard(secret.as_bytes(), &scene.content(&python_dumps(&text))).await;
    assert_eq!(two, ["secret_not_decoded", "body_reserialised"]);
    assert_eq!(scene.standard(secret.as_bytes(), &text).await, ["other_scheme"]);
}

#[tokio::test]
async fn a_request_that_was_changed_on_its_way_is_told_from_one_that_was_not() {
    let scene = Scene::new().await;
    let text = scene.text().to_owned();
    for (body, code) in [
        (python_dumps(&text), "body_reserialised"),
        (format!("{text}\n"), "trailing_newline"),
        (text[..text.len() - 3].to_owned(), "body_truncated"),
        (text.replace("ACME", "Acme"), "body_altered"),
        (String::new(), "body_empty"),
        ("[object Object]".to_owned(), "body_not_text"),
    ] {
        assert_eq!(scene.changed(|request| request["body"] = json!(body)).await, [code], "{body}");
        // Of a delivery that is not kept any more, what can be known is known.
        let forgotten = scene
            .changed(|request| {
                request["body"] = json!(body);
                request["scheme"] = json!("v1a");
            })
            .await;
        assert_eq!(forgotten, [code], "{body}");
    }
    let header = |name: &'static str, value: Value| {
        move |request: &mut Value| request["headers"][name] = value
    };
    let millis = format!("{}000", scene.time());
    assert_eq!(scene.changed(header("webhook-timestamp", json!(millis))).await, ["timestamp_unit"]);
    assert_eq!(
        scene.changed(header("webhook-timestamp", json!("soon"))).await.last().unwrap(),
        "timestamp_unit"
    );
    assert_eq!(
        scene.changed(header("webhook-timestamp", json!(""))).await,
        ["timestamp_header_missing"]
    );
    assert_eq!(scene.changed(header("webhook-id", json!(""))).await, ["id_header_missing"]);
    let unsigned = scene
        .changed(|request| {
            request["headers"]["webhook-signature"] = json!("");
            request["headers"]["x-webhook-signature"] = json!("");
        })
        .await;
    assert_eq!(unsigned, ["signature_header_missing"]);
}

#[tokio::test]
async fn a_request_that_is_old_or_early_by_the_receivers_clock_is_told_so() {
    let scene = Scene::new().await;
    for (seconds, codes) in [
        (300, vec![]),
        (301, vec!["timestamp_too_old"]),
        (-300, vec![]),
        (-301, vec!["timestamp_in_future"]),
    ] {
        let mut request = scene.request();
        let time = scene.app.clock.now() + TimeDelta::seconds(seconds);
        request["receivedAt"] = json!(time.to_rfc3339());
        let answer = scene.check(&request).await;
        assert_eq!(self::codes(&answer), codes, "{seconds}");
        assert_eq!(
            (&answer["signatureValid"], &answer["valid"]),
            (&json!(true), &json!(codes.is_empty()))
        );
    }
    scene.app.advance(TimeDelta::minutes(6));
    assert_eq!(codes(&scene.check(&scene.request()).await), ["timestamp_too_old"]);
}

#[tokio::test]
async fn a_signature_of_another_attempt_is_recognised() {
    let scene = Scene::new().await;
    scene.app.advance(TimeDelta::minutes(1));
    let delivery = scene.subscriber.only_delivery().await;
    scene.subscriber.resend(&delivery).await.ok();
    scene.app.worker().drain().await.unwrap();
    let second = &scene.subscriber.receiver.calls()[1];
    let mixed = scene
        .changed(|request| {
            request["headers"]["webhook-signature"] = json!(second.header("webhook-signature"));
            request["headers"]["x-webhook-signature"] = json!("");
        })
        .await;
    assert_eq!(mixed, ["another_attempt"]);
}

#[tokio::test]
async fn a_request_for_another_webhook_and_one_for_nobody_are_told_apart() {
    let scene = Scene::new().await;
    let other = scene.acme.subscribe(&["*"]).await;
    let path = format!("{}/signature/verify", other.path());
    let answer = scene.acme.post(&path, scene.request()).await.ok();
    assert_eq!(
        (codes(&answer), &answer["signatureValid"]),
        (vec!["wrong_webhook".to_owned()], &json!(false))
    );

    let stranger = scene.app.tenant("stranger").await;
    let theirs = stranger.subscribe(&["*"]).await;
    let path = format!("{}/signature/verify", theirs.path());
    let answer = stranger.post(&path, scene.request()).await.ok();
    assert_eq!(codes(&answer), ["id_unknown"]);
}

#[tokio::test]
async fn a_public_key_is_the_right_one_an_old_one_or_none_of_this_webhooks() {
    let scene = Scene::new().await;
    let secret = format!("{}/secret", scene.subscriber.path());
    let key = scene.acme.get(&secret).await.ok()["publicKey"].clone();
    let mut request = scene.request();
    request["scheme"] = json!("v1a");
    request["publicKey"] = key;
    assert_eq!(scene.check(&request).await["valid"], true);
    scene.acme.post(&format!("{secret}/rotate"), json!({"overlapSeconds": 0})).await.ok();
    assert_eq!(codes(&scene.check(&request).await), ["public_key_replaced"]);
    request["publicKey"] = json!(STANDARD.encode([9; 32]));
    let found = codes(&scene.check(&request).await);
    assert_eq!(found, ["public_key_replaced", "wrong_public_key"]);
}

#[tokio::test]
async fn no_answer_holds_the_secret_or_a_signature_that_the_caller_did_not_have() {
    let scene = Scene::new().await;
    let key = scene.key();
    let forged = r#"{"id":"x","event":"contact.created","data":{}}"#;
    let expected = [
        STANDARD.encode(hmac(&key, scene.content(forged).as_bytes())),
        hex(&hmac(scene.secret().as_bytes(), forged.as_bytes())),
    ];
    for computed in [None, Some("v1,AAAA"), Some("sha256=00"), Some("hello"), Some("")] {
        let mut request = scene.request();
        request["body"] = json!(forged);
        request["computed"] = json!(computed);
        let answer = scene.check(&request).await;
        assert_eq!(answer["valid"], false);
        let text = answer.to_string();
        for secret in [&scene.secret()[6..], &expected[0], &expected[1], &hex(&key)] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn reading_webhooks_is_right_enough_and_nothing_is_left_behind() {
    let scene = Scene::new().await;
    let path = format!("{}/signature/verify", scene.subscriber.path());
    let reader = scene.acme.with_scopes(&[Scope::WebhooksRead]).await;
    reader.post(&path, scene.request()).await.ok();
    let nobody = scene.acme.with_scopes(&[Scope::WebhooksWrite]).await;
    nobody.post(&path, scene.request()).await.problem(403, "INSUFFICIENT_SCOPE");
    assert_eq!(scene.subscriber.deliveries().await.len(), 1);
}

#[tokio::test]
async fn every_bad_field_of_a_check_is_named() {
    let scene = Scene::new().await;
    let path = format!("{}/signature/verify", scene.subscriber.path());
    let headers = "Must be an object of at most 100 strings, each at most 8192 characters";
    scene
        .acme
        .post(&path, json!({}))
        .await
        .invalid(&json!({"headers": "Is required", "body": "Is required"}));
    let body = json!({"headers": {"a": 1}, "body": 5, "computed": "x".repeat(1025), "scheme": "v2",
        "publicKey": "whpk_", "receivedAt": "soon", "more": 1});
    scene.acme.post(&path, body).await.invalid(&json!({
        "headers": headers,
        "body": "Must be a string",
        "computed": "Must be at most 1024 characters",
        "scheme": "Must be one of v1, v1a, body",
        "publicKey": "Must be whpk_ followed by base64 of 32 bytes",
        "receivedAt": "Must be a time such as 2025-11-02T10:00:00Z",
        "more": "Unknown field",
    }));
    let asymmetric = json!({"headers": {}, "body": "", "scheme": "v1a", "computed": "x"});
    let fault = "Nobody but the sender can compute a v1a signature";
    scene.acme.post(&path, asymmetric).await.invalid(&json!({"computed": fault}));
}

#[tokio::test]
async fn the_largest_check_is_answered_soon() {
    let scene = Scene::new().await;
    let mut request = scene.request();
    request["body"] = json!(format!("{{\"data\":\"{}\"}}", "é".repeat(200_000)));
    request["computed"] = json!(STANDARD.encode([1; 32]));
    let answer = scene.check(&request).await;
    assert_eq!(codes(&answer), ["body_altered"]);
}

#[test]
fn the_webhook_guide_explains_every_mistake() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhooks.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let codes = api::webhooks::debug::Mistake::ALL.iter().map(|mistake| mistake.tell().0);
    let missing: Vec<_> = codes.filter(|code| !guide.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/webhooks.md does not explain {missing:?}");
}

/// `json.dumps(json.loads(text))`, spelled out for a text whose strings hold no other escapes than `\"`.
fn python_dumps(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        inside ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
        if !inside && (c == ',' || c == ':') {
            out.push(' ');
        }
    }
    out
}

/// The text with every object's members in the order of their names.
fn sorted(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap().to_string()
}

/// `Buffer.from(text, "base64")` of Node: bits of six from each letter of either alphabet, whole bytes kept.
fn node_decode(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in text.chars().map(|c| if c == '_' { '/' } else { c }) {
        bits = bits << 6 | u32::try_from(LETTERS.find(c).unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}
