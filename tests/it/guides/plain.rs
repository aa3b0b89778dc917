//! Answers as the guides show them: what differs from run to run has a stand-in, the same one for the same thing.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What is replaced, in this order, and by what; ids and requests' ids have rules of their own.
const STAND_INS: [(&str, &str); 18] = [
    (r#""qrSvg":"(?:[^"\\]|\\.)*""#, r#""qrSvg":"<svg …>""#),
    (r#""matchCode":"\d\d""#, r#""matchCode":"47""#),
    (r#""lastUsedAt":(?:null|"[^"]*")"#, r#""lastUsedAt":null"#),
    (r#""latencyMs":\d+"#, r#""latencyMs":12"#),
    (r#""firstByteMs":\d+"#, r#""firstByteMs":7"#),
    (r#""(dns|connect|tls|request|firstByte|body)":[\d.]+"#, r#""$1":0.8"#),
    (r#""prefix":"[0-9A-Za-z]{8}""#, r#""prefix":"Zx81fT0q""#),
    (r#""(p\d\dMs)":[\d.]+"#, r#""$1":31.0"#),
    (r#""(nextCursor|traceparent|kid|x)":"[^"]{20,}""#, r#""$1":"…""#),
    (r"crm_live_[0-9A-Za-z]{8}_\w+", "crm_live_Zx81fT0q_…"),
    (r"crm_live_[0-9A-Za-z]{8}", "crm_live_Zx81fT0q"),
    (r"whsec_[0-9A-Za-z+/=]{20,}", "whsec_…"),
    (r"whsec_…[0-9A-Za-z+/=]{4}", "whsec_…k3Ab"),
    (r"whpk_[0-9A-Za-z+/=]{20,}", "whpk_…"),
    (r"\b(qr_|qps_|ql_|crt_)[0-9A-Za-z_-]{20,}", "$1…"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "eyJ…"),
    (r"(v1a?,|sha256=)[0-9A-Za-z+/=]{20,}", "$1…"),
    (r"curl/[\d.]+", "curl/8.14.1"),
];

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    STAND_INS.iter().map(|(pattern, by)| (Regex::new(pattern).unwrap(), *by)).collect()
});
static REQUEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""requestId":"[0-9a-f-]{36}""#).unwrap());
static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
});
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").unwrap());

/// The stand-ins of one page.
#[derive(Default)]
pub struct StandIns {
    ids: HashMap<String, usize>,
}

impl StandIns {
    /// An answer with them. `here` are addresses of this run and what stands for each.
    pub fn plain(&mut self, answer: &str, here: &[(&str, &str)]) -> String {
        let mut text = here.iter().fold(answer.to_owned(), |text, (own, by)| text.replace(own, by));
        for (pattern, by) in RULES.iter() {
            text = pattern.replace_all(&text, *by).into_owned();
        }
        let request = r#""requestId":"019b7ca9-8f2e-7000-9000-000000000000""#;
        let text = REQUEST.replace_all(&text, request);
        let text = ID.replace_all(&text, |found: &Captures<'_>| self.id(&found[0]));
        text.trim_end().to_owned()
    }

    /// Ids are numbered as they appear, so that readers see which are the same.
    fn id(&mut self, id: &str) -> String {
        if id.ends_with("-000000000000") {
            return id.to_owned();
        }
        let next = self.ids.len() + 1;
        let number = *self.ids.entry(id.to_owned()).or_insert(next);
        format!("019b7ca9-8f2e-7000-8000-{number:012}")
    }
}

/// Whether a text is as a guide shows it, where `…` stands for anything.
pub fn fits(shown: &str, text: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// A text whose times do not matter.
pub fn timeless(text: &str) -> String {
    TIME.replace_all(text, "<time>").into_owned()
}

#[test]
fn the_same_id_has_the_same_stand_in_and_secrets_have_none_of_their_own() {
    let ids = ["01a2036c-0d4c-7400-87c8-25f570a5ef21", "01a2036b-3a53-7b66-93a5-a64f6d8bbd70"];
    let said = format!(
        r#"{{"a":"{0}","b":"{1}","c":"{0}","url":"http://127.0.0.1:1/x"}}"#,
        ids[0], ids[1]
    );
    let plain = StandIns::default().plain(&said, &[("http://127.0.0.1:1", "http://catcher")]);
    let stand_in = |number| format!("019b7ca9-8f2e-7000-8000-00000000000{number}");
    let expected = format!(
        r#"{{"a":"{0}","b":"{1}","c":"{0}","url":"http://catcher/x"}}"#,
        stand_in(1),
        stand_in(2)
    );
    assert_eq!(plain, expected);
    let key = "crm_live_abcdefgh_0123456789abcdefghijABCDEFGHIJ012345678901234567";
    assert_eq!(StandIns::default().plain(key, &[]), "crm_live_Zx81fT0q_…");
    assert_eq!(timeless("at 2026-01-02T03:04:05.678Z"), "at <time>");
}

#[test]
fn what_is_shown_with_gaps_fits_what_was_printed_and_nothing_else() {
    assert!(fits(r#"{"id":"…","a":1,…}"#, r#"{"id":"x","a":1,"b":2}"#));
    assert!(fits("a", "a") && fits("…", "anything") && fits("a…", "ab") && fits("…b", "ab"));
    assert!(!fits("a", "ab") && !fits("a…c", "ab") && !fits("b…", "ab") && !fits("a…b…b", "ab"));
}
