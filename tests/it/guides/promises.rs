//! `docs/guarantees.md`: each promise names tests, and each of these exists where the link leads.

use crate::architecture::source::file;

/// The tests that a line names, each with the file that it is said to be in.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let links = line.split('[').skip(1).filter_map(|rest| rest.split_once("](../"));
    links.filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0))).collect()
}

/// Whether the file has a test of this name, one that runs.
fn has_test(path: &str, name: &str) -> bool {
    let Some(source) = file(path) else { return false };
    let Some(at) = source.text.find(&format!("fn {name}(")) else { return false };
    let lines = source.text[..at].rsplit('\n').skip(1);
    let attributes: Vec<_> = lines.take_while(|line| line.trim().starts_with("#[")).collect();
    let is = |start: &str| attributes.iter().any(|line| line.trim().starts_with(start));
    (is("#[test") || is("#[tokio::test")) && !is("#[ignore")
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
        for (name, path) in tests {
            assert!(has_test(path, name), "no test {name} in {path}");
        }
    }
}

#[test]
fn a_test_that_was_renamed_or_is_passed_over_proves_nothing() {
    assert_eq!(tests("| a | [b](../c.rs) [d](../e.rs) |"), [("b", "c.rs"), ("d", "e.rs")]);
    let here = "tests/it/guides/promises.rs";
    assert!(has_test(here, "every_promise_is_proved_by_tests_that_exist"));
    assert!(!has_test(here, "has_test") && !has_test(here, "gone") && !has_test("gone.rs", "a"));
}
