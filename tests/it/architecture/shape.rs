//! How large files are, where they lie, and what they may not hold.

use std::fs;

use super::source::{Source, files, mentions, root};

const CRATES: [&str; 4] = ["api", "worker", "shared", "tests"];
const PRODUCT: [&str; 3] = ["api", "worker", "shared"];

/// What a reader finds at the top; everything else is a dotfile or built.
const TOP: [&str; 13] = [
    "Cargo.toml",
    "Cargo.lock",
    "Makefile",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "api",
    "worker",
    "shared",
    "migrations",
    "deploy",
    "tests",
];

fn length(source: &Source) -> usize {
    source.text.lines().count()
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let long: Vec<_> = files(&CRATES, ".rs")
        .iter()
        .filter(|source| length(source) > 400)
        .map(|source| format!("{} has {} lines", source.path, length(source)))
        .collect();
    assert!(long.is_empty(), "give each of them one reason to exist: {long:#?}");
}

/// rustfmt keeps code within 100 columns, and leaves comments as they are.
#[test]
fn no_line_of_a_comment_is_longer_than_120_characters() {
    let mut long = Vec::new();
    for source in files(&CRATES, ".rs") {
        for (at, line) in source.text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > 120 {
                long.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    assert!(long.is_empty(), "break them: {long:?}");
}

#[test]
fn the_median_file_of_the_product_has_120_lines_at_most() {
    let mut lengths: Vec<_> = files(&PRODUCT, ".rs").iter().map(length).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 120, "the median is {median} lines");
}

#[test]
fn the_top_of_the_repository_holds_only_what_the_readme_explains() {
    let mut strangers = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = TOP.contains(&name.as_str()) || ["docs", "target"].contains(&name.as_str());
        if !known && !name.starts_with('.') {
            strangers.push(name);
        }
    }
    assert!(strangers.is_empty(), "{strangers:?}: give them a place inside a folder");
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut faults = Vec::new();
    for source in files(&CRATES, ".rs") {
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[allow") || line.starts_with("#![allow") {
                faults.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    assert!(faults.is_empty(), "write #[expect(…, reason = \"…\")]: {faults:?}");
}

#[test]
fn nothing_is_left_to_be_written() {
    let unwritten = ["todo!", "unimplemented!"];
    let folders = ["api", "worker", "shared", "tests/src"];
    let faults: Vec<_> = files(&folders, ".rs")
        .into_iter()
        .filter(|source| unwritten.iter().any(|name| mentions(&source.code(), name)))
        .map(|source| source.path)
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}
