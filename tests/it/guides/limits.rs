//! docs/limits.md says what the code says: each row is held to the constant that enforces it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::architecture::file;
use crate::openapi::document;

/// A row of the guide, how much it says, and where something else says the same.
const CLAIMS: &str = include_str!("limits.txt");

fn claims() -> impl Iterator<Item = [&'static str; 4]> {
    let lines = CLAIMS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        cells.try_into().expect(line)
    })
}

/// The classes of requests: what counts, what the guide says, and the default of the variable.
const CLASSES: &[(&str, &str, &str)] = &[
    ("read", "RATE_LIMIT_READ", "100/15m"),
    ("write", "RATE_LIMIT_WRITE", "1000/15m"),
    ("login", "RATE_LIMIT_LOGIN", "5/15m"),
    ("refresh", "RATE_LIMIT_REFRESH", "30/15m"),
    ("qr", "RATE_LIMIT_QR", "10/1m"),
    ("qr_poll", "RATE_LIMIT_QR_POLL", "60/1m"),
    ("flood", "FLOOD_GUARD", "1000/5s"),
];

fn guide() -> String {
    file("docs/limits.md").unwrap().text
}

/// The rows of the tables with this head, as far as the second cell.
fn rows(guide: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in guide.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            ["what", ..] => inside = true,
            [what, most, ..] if inside && !what.starts_with("---") => {
                let former = rows.insert(what.to_owned(), most.to_owned());
                assert!(former.is_none(), "two rows: {what}");
            }
            [_] => inside = false,
            _ => {}
        }
    }
    rows
}

/// Source without its line breaks, so that the formatter decides nothing.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_guide_lists_every_limit_that_is_proven_and_no_other() {
    let claimed: BTreeSet<_> = claims().map(|[what, most, ..]| format!("{what}: {most}")).collect();
    let listed: BTreeSet<_> =
        rows(&guide()).into_iter().map(|(what, most)| format!("{what}: {most}")).collect();
    let odd: Vec<_> = listed.symmetric_difference(&claimed).collect();
    assert!(
        odd.is_empty(),
        "in one of docs/limits.md and tests/it/guides/limits.txt only: {odd:#?}"
    );
}

#[test]
fn each_limit_is_what_the_code_enforces() {
    let document = document();
    let mut wrong = Vec::new();
    for [what, most, place, said] in claims() {
        let holds = match file(place) {
            Some(source) => on_one_line(&source.text).contains(said),
            None => said.split_once(' ').is_some_and(|(pointer, number)| {
                let pointer = format!("/components/schemas/{place}/properties{pointer}");
                let limit = document.pointer(&pointer).and_then(Value::as_u64);
                limit.is_some_and(|limit| number.parse() == Ok(limit))
            }),
        };
        if !holds {
            wrong.push(format!("{what}: {most}, but {place} does not say {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_guide_has_the_defaults_of_every_class_of_requests() {
    let (guide, config) = (guide(), on_one_line(&file("api/src/limit/config.rs").unwrap().text));
    for (class, variable, default) in CLASSES {
        let row = format!("| `{class}` | {default} | `{variable}` |");
        assert!(guide.contains(&row), "docs/limits.md lacks {row}");
        let declared = format!("\"{variable}\", \"{default}\"");
        assert!(config.contains(&declared), "api/src/limit/config.rs lacks {declared}");
    }
    let classes = api::limit::Class::NAMES;
    let unknown: Vec<_> =
        classes.iter().filter(|class| !CLASSES.iter().any(|(known, ..)| known == *class)).collect();
    assert!(unknown.is_empty(), "docs/limits.md lacks {unknown:?}");
}
