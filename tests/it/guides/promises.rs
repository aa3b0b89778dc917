//! `docs/guarantees.md`: each promise names tests, and each of these exists where the link leads.

use crate::architecture::source::{file, files};

/// What `make test` passes over, here or everywhere, and how a promise says that it rests on it.
const APART: [(&str, &str); 4] = [
    ("tests/it/disk.rs", "By root only"),
    ("tests/it/deploy/pooler.rs", "`make test-pooler` only"),
    ("tests/it/guides/receivers.rs", "`make receivers` only"),
    ("tests/it/guides/vectors.rs", "`make receivers` only"),
];

/// What has to be said where tests of this file prove something.
fn apart(path: &str) -> Option<&'static str> {
    APART.iter().find(|(file, _)| *file == path).map(|(_, said)| *said)
}

/// Whether nothing of this is passed over silently that the row rests on.
fn is_honest(row: &str) -> bool {
    tests(row).iter().all(|(_, path)| apart(path).is_none_or(|said| row.contains(said)))
}

/// The tests that a line names, each with the file that it is said to be in.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let links = line.split('[').skip(1).filter_map(|rest| rest.split_once("](../"));
    links.filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0))).collect()
}

/// Whether the file has a test of this name, one that runs: by `make test` or, where that has to be said, apart from
/// it.
fn has_test(path: &str, name: &str) -> bool {
    let Some(source) = file(path) else { return false };
    let Some(at) = source.text.find(&format!("fn {name}(")) else { return false };
    let lines = source.text[..at].rsplit('\n').skip(1);
    let attributes: Vec<_> = lines.take_while(|line| line.trim().starts_with("#[")).collect();
    let is = |start: &str| attributes.iter().any(|line| line.trim().starts_with(start));
    (is("#[test") || is("#[tokio::test")) && (!is("#[ignore") || apart(path).is_some())
}

#[test]
fn every_promise_is_proved_by_tests_that_exist() {
    let document = file("docs/guarantees.md").unwrap();
    let promises = document.text.split("\n## Not promised").next().unwrap();
    let rows: Vec<_> = promises
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise |"))
        .collect();
    assert!(rows.len() > 25, "the tables are not read: {rows:#?}");
    for row in rows {
        let tests = tests(row);
        assert!(!tests.is_empty(), "nothing proves this: {row}");
        assert!(is_honest(row), "say what proves it only sometimes, as APART has it: {row}");
        for (name, path) in tests {
            assert!(has_test(path, name), "no test {name} in {path}");
        }
    }
}

#[test]
fn every_file_whose_tests_may_be_passed_over_is_known() {
    // Not as they stand: this file passes nothing over.
    let calls = [concat!("skip", "(\""), concat!("is_here", "(")];
    let may_be = |line: &str| {
        line.trim().starts_with("#[ignore") || calls.iter().any(|call| line.contains(call))
    };
    let sources = files(&["tests/it"], ".rs").into_iter();
    let found = sources.filter(|source| source.text.lines().any(may_be));
    let mut found: Vec<_> = found.map(|source| source.path).collect();
    found.sort_unstable();
    let mut known = APART.map(|(path, _)| path);
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn a_test_that_was_renamed_or_is_passed_over_proves_nothing() {
    assert_eq!(tests("| a | [b](../c.rs) [d](../e.rs) |"), [("b", "c.rs"), ("d", "e.rs")]);
    let here = "tests/it/guides/promises.rs";
    assert!(has_test(here, "every_promise_is_proved_by_tests_that_exist"));
    assert!(!has_test(here, "has_test") && !has_test(here, "gone") && !has_test("gone.rs", "a"));
    let row = "| a | [b](../tests/it/disk.rs) |";
    assert!(!is_honest(row) && is_honest(&row.replace("[b]", "By root only: [b]")));
}
