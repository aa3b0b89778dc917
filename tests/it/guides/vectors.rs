//! `docs/receivers/vectors.json`: requests that a receiver must accept or refuse, signed by the product's own code.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};
use shared::webhook::signature::SigningSecret;

use crate::architecture::source::root;

/// The time at which the vectors of the file are to be verified.
const NOW: i64 = 1_767_323_046;
const PLACE: &str = "docs/receivers/vectors.json";
/// The secrets of the vectors: a generated one, and one of a tenant's own.
pub const SECRETS: [&str; 2] =
    ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj", "a-secret-of-our-own-0123456789"];
/// Signs nothing that should be accepted.
const STRANGE: &str = "whsec_IyIhIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";

/// A request, and whether it is genuine.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct Vector {
    pub name: String,
    pub accepted: bool,
    pub secret: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct File {
    now: i64,
    vectors: Vec<Vector>,
}

impl Vector {
    /// A genuine request, signed then.
    fn signed(name: &str, number: u64, secret: &str, sent: i64, data: &str) -> Self {
        let id = format!("evt_{number:022}");
        let body = format!(
            r#"{{"id":"{id}","event":"contact.created","timestamp":"2026-01-02T03:04:05.678Z","data":{data}}}"#
        );
        let key = SigningSecret::parse(secret).unwrap();
        let headers = [
            ("webhook-signature", key.standard(&id, sent, body.as_bytes())),
            ("webhook-timestamp", sent.to_string()),
            ("x-webhook-signature", key.document(body.as_bytes())),
            ("webhook-id", id),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        Self { name: name.into(), accepted: true, secret: secret.into(), headers, body }
    }

    fn refused(mut self) -> Self {
        self.accepted = false;
        self
    }

    fn with(mut self, header: &str, change: impl FnOnce(&str) -> String) -> Self {
        let value = change(&self.headers[header]);
        self.headers.insert(header.into(), value);
        self
    }

    fn without(mut self, header: &str) -> Self {
        self.headers.remove(header).unwrap();
        self
    }
}

/// All vectors, as if it were now; each has an id of its own.
pub fn vectors(now: i64) -> Vec<Vector> {
    let [generated, own] = SECRETS;
    let plain =
        |name: &str, number| Vector::signed(name, number, generated, now, r#"{"id":"con_1"}"#);
    let sent = |name: &str, number, age: i64| {
        Vector::signed(name, number, generated, now - age, r#"{"id":"con_1"}"#).refused()
    };
    let text = r#"{"name":"Zoë \"the\" \\ Ωmega","note":"  two  spaces and \u2028 😀"}"#;
    let strange = SigningSecret::parse(STRANGE).unwrap();
    let forged = |vector: &Vector| {
        strange.standard(&vector.headers["webhook-id"], now, vector.body.as_bytes())
    };
    let rotated = plain("the second of two signatures is right", 2);
    let mine = forged(&rotated);
    let beside = "v1a,tjtoHBqorq80n6A1VYTJOVaqz6C/TgeByBUlrjfHfNHtGCIFj398ylM6jFTm/x4K30iI3ADu8+IsKhzwTmLvBw==";
    let other_secret = plain("signed with another secret", 7);
    let theirs = forged(&other_secret);
    let mut altered = plain("a byte of the body was changed", 8).refused();
    altered.body = altered.body.replace("con_1", "con_2");
    let mut longer = plain("a line feed was added to the body", 9).refused();
    longer.body.push('\n');
    vec![
        plain("plain", 1),
        rotated.with("webhook-signature", |right| format!("{mine} {right}")),
        Vector::signed("text that a parser would write otherwise", 3, generated, now, text),
        Vector::signed("a secret without whsec_", 4, own, now, text),
        plain("a v1a beside it", 5).with("webhook-signature", |right| format!("{right} {beside}")),
        Vector::signed("four minutes old", 6, generated, now - 240, "{}"),
        other_secret.with("webhook-signature", |_| theirs).refused(),
        altered,
        longer,
        plain("another id", 10).with("webhook-id", |id| format!("{id}x")).refused(),
        sent("six minutes old", 11, 360),
        sent("six minutes ahead", 12, -360),
        plain("a later time than was signed", 13)
            .with("webhook-timestamp", |_| (now + 1).to_string())
            .refused(),
        plain("the time is a word", 14).with("webhook-timestamp", |_| "now".into()).refused(),
        plain("only a v1a", 15).with("webhook-signature", |_| beside.into()).refused(),
        plain("no scheme", 16).with("webhook-signature", |right| right[3..].into()).refused(),
        plain("the signature is cut", 17)
            .with("webhook-signature", |right| right[..right.len() - 4].into())
            .refused(),
        plain("an empty signature", 18).with("webhook-signature", |_| "v1,".into()).refused(),
        plain("no id", 19).without("webhook-id").refused(),
        plain("no time", 20).without("webhook-timestamp").refused(),
        plain("no signature", 21).without("webhook-signature").refused(),
        Vector::signed("a secret without whsec_, signed with another", 22, own, now, "{}")
            .with("webhook-signature", |_| mine.clone())
            .refused(),
    ]
}

#[test]
fn the_vectors_of_the_guide_are_what_the_product_signs() {
    let file = root().join(PLACE);
    let expected = File { now: NOW, vectors: vectors(NOW) };
    if std::env::var_os("WRITE_VECTORS").is_some() {
        fs::write(&file, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
    }
    let found: File = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(found, expected, "WRITE_VECTORS=1 writes {PLACE} anew");
}

#[test]
fn the_first_vector_is_the_one_in_the_text() {
    let text = fs::read_to_string(root().join("docs/webhooks.md")).unwrap();
    let first = &vectors(NOW)[0];
    let values = first.headers.values().chain([&first.body, &first.secret]);
    let missing: Vec<_> = values.filter(|value| !text.contains(value.as_str())).collect();
    assert!(missing.is_empty(), "docs/webhooks.md does not have {missing:?}");
}
