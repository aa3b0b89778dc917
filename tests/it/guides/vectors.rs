//! `docs/receivers/vectors.json`: requests that a receiver must accept or refuse, signed by the product's own code. The
//! functions of `docs/webhooks.md` are run on them, and on what is sent to make them fail.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};
use shared::Clock;
use shared::webhook::signature::SigningSecret;

use super::receivers::is_here;
use crate::architecture::source::{file, root};
use crate::telemetry::runbooks::blocks;

/// The time at which the vectors of the file are to be verified.
const NOW: i64 = 1_767_323_046;
const PLACE: &str = "docs/receivers/vectors.json";
/// The secrets of the vectors: a generated one, and one of a tenant's own.
pub const SECRETS: [&str; 2] =
    ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj", "a-secret-of-our-own-0123456789"];
/// Signs nothing that should be accepted.
const STRANGE: &str = "whsec_IyIhIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";

/// A `v1a` of the first vector at `NOW`, by the key of RFC 8032, 7.1, test 1.
const BY_KEY: &str =
    "v1a,tjtoHBqorq80n6A1VYTJOVaqz6C/TgeByBUlrjfHfNHtGCIFj398ylM6jFTm/x4K30iI3ADu8+IsKhzwTmLvBw==";

/// A request, and whether it is genuine.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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

    /// A letter within the signature is no ASCII; it has as many as before.
    fn not_ascii(self, header: &str) -> Self {
        self.with(header, |right| format!("{}é{}", &right[..20], &right[21..])).refused()
    }
}

fn plain(name: &str, number: u64, now: i64) -> Vector {
    Vector::signed(name, number, SECRETS[0], now, r#"{"id":"con_1"}"#)
}

/// What no library sends, and anyone can: the file has no such vector, as readers differ in what they make of it.
pub fn not_ascii(now: i64) -> Vector {
    plain("a signature that is not ASCII", 23, now).not_ascii("webhook-signature")
}

/// All vectors, as if it were now; each has an id of its own.
pub fn vectors(now: i64) -> Vec<Vector> {
    let [generated, own] = SECRETS;
    let plain = |name: &str, number| plain(name, number, now);
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
        plain("a v1a beside it", 5).with("webhook-signature", |right| format!("{right} {BY_KEY}")),
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
        plain("only a v1a", 15).with("webhook-signature", |_| BY_KEY.into()).refused(),
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

/// How the functions of `docs/webhooks.md` are run in a language.
struct Language {
    name: &'static str,
    program: &'static [&'static str],
    /// Prints which of `$REQUESTS` the call accepts; what is thrown and not promised ends it.
    judge: &'static str,
}

const PYTHON: Language = Language {
    name: "python",
    program: &["python3", "-c"],
    judge: r#"
import json, os

def accepts(secret, headers, body):
    try:
        $CALL
        return True
    except ValueError:
        return False

requests = json.loads(os.environb[b"REQUESTS"])
print(json.dumps([accepts(one["secret"], one["headers"], one["body"].encode()) for one in requests]))
"#,
};

const JAVASCRIPT: Language = Language {
    name: "js",
    program: &["node", "--input-type=module", "-e"],
    judge: r"
const accepts = (secret, headers, body) => $CALL;
const requests = JSON.parse(process.env.REQUESTS);
console.log(JSON.stringify(requests.map((one) => accepts(one.secret, one.headers, Buffer.from(one.body)))));
",
};

impl Language {
    /// The functions of this block of the page accept and refuse as they should.
    fn hold(&self, block: usize, needs: &str, call: &str, requests: &[Vector]) {
        if !is_here(needs, "a function of docs/webhooks.md") {
            return;
        }
        let page = file("docs/webhooks.md").unwrap();
        let functions = blocks(&page, self.name).nth(block).unwrap();
        let program = format!("{functions}{}", self.judge.replace("$CALL", call));
        let ended = Command::new(self.program[0])
            .args(&self.program[1..])
            .arg(program)
            .env("REQUESTS", serde_json::to_string(requests).unwrap())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let accepted: Vec<bool> = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(accepted.len(), requests.len());
        for (accepted, request) in accepted.into_iter().zip(requests) {
            assert_eq!(accepted, request.accepted, "{}", request.name);
        }
    }
}

fn by_secret() -> Vec<Vector> {
    let now = Clock::system().now().timestamp();
    let mut requests = vectors(now);
    requests.push(not_ascii(now));
    requests
}

/// It, and what became of it on the way.
fn genuine_and_not(genuine: Vector, header: &str) -> [Vector; 3] {
    let missing = genuine.clone().without(header).refused();
    let altered = genuine.clone().not_ascii(header);
    [genuine, missing, altered]
}

fn by_body() -> [Vector; 3] {
    genuine_and_not(plain("over the body", 1, NOW), "x-webhook-signature")
}

fn by_key() -> [Vector; 3] {
    let signed = plain("by key", 1, NOW).with("webhook-signature", |_| BY_KEY.into());
    genuine_and_not(signed, "webhook-signature")
}

#[test]
fn verify_in_python_accepts_what_is_genuine_and_raises_a_value_error_for_the_rest() {
    PYTHON.hold(0, "command -v python3", "verify(secret, headers, body)", &by_secret());
}

#[test]
fn verify_body_only_in_python_accepts_what_is_genuine_and_raises_a_value_error_for_the_rest() {
    PYTHON.hold(0, "command -v python3", "verify_body_only(secret, headers, body)", &by_body());
}

#[test]
fn verify_v1a_in_python_accepts_what_is_genuine_and_raises_a_value_error_for_the_rest() {
    let keys = r#"["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]"#;
    let call = format!(r#"verify_v1a({keys}, headers, body, float("inf"))"#);
    PYTHON.hold(1, "python3 -c 'import cryptography'", &call, &by_key());
}

#[test]
fn verify_in_javascript_accepts_what_is_genuine_and_is_false_for_the_rest() {
    JAVASCRIPT.hold(0, "command -v node", "verify(secret, headers, body)", &by_secret());
}

#[test]
fn verify_body_only_in_javascript_accepts_what_is_genuine_and_is_false_for_the_rest() {
    JAVASCRIPT.hold(0, "command -v node", "verifyBodyOnly(secret, headers, body)", &by_body());
}

#[test]
fn verify_v1a_in_javascript_accepts_what_is_genuine_and_is_false_for_the_rest() {
    let key = r#"{ kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;
    let call = format!("verifyV1a([{key}], headers, body, Infinity)");
    JAVASCRIPT.hold(1, "command -v node", &call, &by_key());
}
