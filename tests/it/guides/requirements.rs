//! `docs/requirements.md`: whatever is named by a number there has a line, and each line is named somewhere.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::architecture::{Source, file, files};

const DOCUMENT: &str = "docs/requirements.md";

/// An id by itself, and the two of a range.
static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(A|AC|C|CO|E|F|K|L|P|R|T|W)-(\d{1,2})\b(?: to (?:A|AC|C|CO|E|F|K|L|P|R|T|W)-(\d{1,2})\b)?")
        .unwrap()
});

/// All ids that one `requirement` introduces.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[Rr]equirements? [A-Z]{1,2}-\d{1,2}(?:(?: to |, | and )[A-Z]{1,2}-\d{1,2})*\b")
        .unwrap()
});

/// Numbers of anything else that looks like one of `docs/decisions/`.
static OTHERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[Dd]ecisions? (?:§|[A-Z]{1,2}-\d|\d{1,2}\b)|\bTask \d\.\d").unwrap()
});

/// The ids in a text, ranges in full.
fn ids(text: &str) -> BTreeSet<String> {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let found = ID.captures_iter(text).flat_map(|found| {
        let first = number(&found[2]);
        let last = found.get(3).map_or(first, |last| number(last.as_str()));
        (first..=last).map(move |number| format!("{}-{number}", &found[1])).collect::<Vec<_>>()
    });
    found.collect()
}

/// Everything that may name a requirement, but this file, whose examples are none.
fn sources() -> Vec<Source> {
    let mut all = files(&["api", "worker", "shared", "tests"], ".rs");
    all.extend(files(&["docs"], ".md"));
    all.retain(|source| {
        source.path != DOCUMENT && !source.path.ends_with("guides/requirements.rs")
    });
    all
}

#[test]
fn every_requirement_that_is_named_has_a_line_and_every_line_is_named() {
    let document = file(DOCUMENT).unwrap().text;
    let lines: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    let listed = lines.iter().filter_map(|line| line.split(" |").next());
    let listed: Vec<_> = listed.filter(|id| ID.is_match(id)).map(str::to_owned).collect();
    let known: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(known.len(), listed.len(), "one has two lines");
    let (mut named, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for source in sources() {
        for id in REFERENCE.find_iter(&source.text).flat_map(|found| ids(found.as_str())) {
            if !known.contains(&id) {
                unknown.insert(format!("{}: {id}", source.path));
            }
            named.insert(id);
        }
    }
    assert!(unknown.is_empty(), "{DOCUMENT} has no line for {unknown:#?}");
    let idle: Vec<_> = known.difference(&named).collect();
    assert!(idle.is_empty(), "nobody names {idle:?}");
}

#[test]
fn a_requirement_is_always_called_one() {
    let mut faults = Vec::new();
    for Source { path, text } in sources() {
        let rest = REFERENCE.replace_all(&text, "");
        let bare = ID.find_iter(&rest).chain(OTHERS.find_iter(&rest));
        faults.extend(bare.map(|found| format!("{path}: {}", found.as_str())));
    }
    assert!(faults.is_empty(), "write `requirement C-10`: {faults:#?}");
}

#[test]
fn ranges_and_lists_are_read() {
    let text = "(requirements C-1 to C-3, E-2 and L-7), UTF-8, P-256, requirement W-12.";
    let found: Vec<_> = REFERENCE.find_iter(text).flat_map(|found| ids(found.as_str())).collect();
    assert_eq!(found, ["C-1", "C-2", "C-3", "E-2", "L-7", "W-12"]);
    assert!(ID.find_iter("UTF-8, P-256, SHA-1").next().is_none());
    assert!(OTHERS.is_match("decision 2") && OTHERS.is_match("decisions §4"));
    assert!(!OTHERS.is_match("decision 0002"));
}
