//! The signature debugger: scripted mistakes, each as a beginner's code makes it, against real deliveries.

mod computed;
mod input;
mod places;
mod received;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::webhook::signature::hmac;
use tests::kit::{CONTACTS, Call, Subscriber, Tenant, TestApp};

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

/// `json.dumps(json.loads(text))`, spelled out for a text whose strings hold no other escapes than `\"`.
fn python_dumps(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        inside ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if c.is_ascii() {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
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
