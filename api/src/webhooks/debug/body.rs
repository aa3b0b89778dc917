//! What may have been signed as the body, beside the body.

use serde_json::Value;

use super::mistake::Mistake;
use super::rewrite::{STYLES, rewritten};
use super::search::Candidate;

/// How a body came to differ from the true one.
pub fn difference(given: &str, truth: &str) -> Mistake {
    let bare = |text: &str| text.trim_start_matches('\u{feff}').trim().to_owned();
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    if given.is_empty() {
        Mistake::BodyEmpty
    } else if given == "[object Object]" {
        Mistake::BodyNotText
    } else if bare(given) == bare(truth) {
        Mistake::TrailingNewline
    } else if truth.starts_with(given) {
        Mistake::BodyTruncated
    } else {
        match (json(given), json(truth)) {
            (Some(Value::String(text)), _) if text == truth => Mistake::BodyEncodedTwice,
            (Some(one), Some(two)) if same(&one, &two) => Mistake::BodyReserialised,
            (Some(one), Some(two)) if Some(&one) == two.get("data") => Mistake::OnlyData,
            _ => Mistake::BodyAltered,
        }
    }
}

/// Equal, numbers by their values.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one == two || one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(name, one)| two.get(name).is_some_and(|two| same(one, two)))
        }
        _ => one == two,
    }
}

/// The body itself, one more that is known, and what beginners make of it.
pub fn bodies(body: &str, known: Option<(&str, Mistake)>) -> Vec<Candidate<String>> {
    let mut all = vec![Candidate::right(body.to_owned())];
    let mut add = |value: String, mistake: Mistake| {
        if all.iter().all(|one| one.value != value) {
            all.push(Candidate::wrong(value, mistake));
        }
    };
    if let Some((text, mistake)) = known {
        add(text.to_owned(), mistake);
    }
    for end in ["\n", "\r\n"] {
        add(format!("{body}{end}"), Mistake::TrailingNewline);
    }
    add(body.trim_start_matches('\u{feff}').trim().to_owned(), Mistake::TrailingNewline);
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        let mut again = |text: &str, mistake| {
            for text in STYLES.iter().filter_map(|style| rewritten(text, *style)) {
                add(text, mistake);
            }
        };
        again(body, Mistake::BodyReserialised);
        // Its members come out sorted.
        again(&value.to_string(), Mistake::BodyReserialised);
        if let Some(data) = member(body, "data") {
            again(&data, Mistake::OnlyData);
        }
        add(Value::from(body).to_string(), Mistake::BodyEncodedTwice);
    }
    for (text, mistake) in [
        ("", Mistake::BodyEmpty),
        ("null", Mistake::BodyEmpty),
        ("undefined", Mistake::BodyEmpty),
        ("{}", Mistake::BodyEmpty),
        ("[object Object]", Mistake::BodyNotText),
    ] {
        add(text.to_owned(), mistake);
    }
    all
}

/// A member of an object as it was written.
fn member(text: &str, name: &str) -> Option<String> {
    let mut members: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(text).ok()?;
    members.remove(name).map(|value| value.get().to_owned())
}
