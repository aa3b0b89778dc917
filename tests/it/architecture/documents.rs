//! What the documents name exists.

use std::fs;
use std::path::Path;

use super::source::{Source, file, files, root};

const FOLDERS: [&str; 7] =
    ["api/", "worker/", "shared/", "migrations/", "deploy/", "tests/", "docs/"];

/// Paths that a document names because its reader is about to make them.
const TO_BE_MADE: [(&str, &str); 1] = [("migrations/README.md", "/NNNN_")];

fn is_to_be_made(document: &Source, path: &str) -> bool {
    TO_BE_MADE.iter().any(|(place, part)| document.path == *place && path.contains(part))
}

/// Every document of the repository.
pub fn documents() -> Vec<Source> {
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut all: Vec<_> = top.iter().map(|path| file(path).expect(path)).collect();
    all.extend(files(&["docs", "migrations", "deploy"], ".md"));
    all
}

/// The targets of `[text](target)`, without those on other hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).filter(|target| {
        !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
    })
}

/// What stands between single backticks and looks like a path of this repository.
fn quoted_paths(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    let quoted = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    quoted
        .filter(|quoted| FOLDERS.iter().any(|folder| quoted.starts_with(folder)))
        .filter(|quoted| quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)))
}

/// The anchor that a heading gets on GitHub.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn resolves(document: &Source, link: &str) -> bool {
    let root = root();
    let folder = root.join(&document.path);
    let folder = folder.parent().unwrap_or(&root);
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { root.join(&document.path) } else { folder.join(path) };
    if !target.exists() {
        return false;
    }
    let headings = || fs::read_to_string(&target).unwrap_or_default();
    fragment.is_empty()
        || target.extension().is_none_or(|ending| ending != "md")
        || headings().lines().any(|line| line.starts_with('#') && anchor(line) == fragment)
}

#[test]
fn every_link_and_path_in_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        for link in links(&document.text).filter(|link| !resolves(&document, link)) {
            broken.push(format!("{}: [{link}]", document.path));
        }
        for path in quoted_paths(&document.text) {
            if !root().join(path).exists() && !is_to_be_made(&document, path) {
                broken.push(format!("{}: `{path}`", document.path));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The documents that code and migrations point to, such as `docs/decisions/0003`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let own = |at: &usize| !text[..*at].ends_with(|c: char| c == '/' || c.is_alphanumeric());
    text.match_indices("docs/").map(|(at, _)| at).filter(own).map(|at| {
        let rest = &text[at..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "/_-.".contains(c)))
            .unwrap_or(rest.len());
        rest[..end].trim_end_matches(['.', '/'])
    })
}

/// Decisions are pointed to by number alone.
fn is_document(path: &str) -> bool {
    let path = root().join(path);
    let (Some(folder), Some(name)) =
        (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return false;
    };
    let numbered = |entry: &Path| {
        entry
            .file_name()
            .and_then(|entry| entry.to_str())
            .is_some_and(|entry| entry.starts_with(&format!("{name}-")))
    };
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    path.exists() || entries.any(|entry| numbered(&entry.path()))
}

#[test]
fn every_document_that_the_code_points_to_exists() {
    let mut sources = files(&["api/src", "worker/src", "shared/src", "tests/src"], ".rs");
    sources.extend(files(&["migrations", "deploy"], ".sql"));
    sources.extend([".clippy.toml", "Cargo.toml", "Makefile"].iter().filter_map(|path| file(path)));
    let mut broken = Vec::new();
    for source in &sources {
        for path in references(&source.text).filter(|path| !is_document(path)) {
            broken.push(format!("{}: {path}", source.path));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The variables that the code under these folders asks [`shared::settings::Settings`] for.
pub fn variables(folders: &[&str]) -> Vec<String> {
    files(folders, ".rs").iter().flat_map(variables_of).collect()
}

fn variables_of(source: &Source) -> Vec<String> {
    let code = source.code();
    let asked =
        [".required(", ".default(", ".optional("].iter().flat_map(|call| code.split(call).skip(1));
    let quoted = asked.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let name = |text: &&str| {
        text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c))
    };
    quoted.filter(name).map(str::to_owned).collect()
}

#[test]
fn every_variable_that_a_process_reads_is_explained_in_the_example_environment() {
    let read = variables(&["api/src", "worker/src", "shared/src"]);
    assert!(
        read.iter().any(|name| name == "DATABASE_URL"),
        "the reader of variables has changed: {read:?}"
    );
    let example = file("deploy/env.example").unwrap();
    let named = |name: &String| {
        example.text.lines().any(|line| {
            line.trim_start_matches(['#', ' '])
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('='))
        })
    };
    let missing: Vec<_> = read.iter().filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "deploy/env.example does not name {missing:?}");
}

#[test]
fn a_broken_link_path_or_anchor_is_noticed() {
    let text = "# A b\n[x](Cargo.toml) [y](nowhere.md#z) [e](https://example.com) `api/src/lib.rs` `api/gone.rs`";
    let document = Source { path: "README.md".into(), text: text.into() };
    let broken: Vec<_> = links(text).filter(|link| !resolves(&document, link)).collect();
    assert_eq!(broken, ["nowhere.md#z"]);
    let gone: Vec<_> = quoted_paths(text).filter(|path| !root().join(path).exists()).collect();
    assert_eq!(gone, ["api/gone.rs"]);
    assert_eq!(anchor("## Follow one event!"), "follow-one-event");
    assert!(is_document("migrations/0001_tenancy.sql") && !is_document("docs/decisions/9999"));
}
