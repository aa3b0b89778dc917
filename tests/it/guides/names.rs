//! What the documents name exists, and what exists is named: variables, make targets, commands, routes, scopes.
//! Links and paths are checked beside, in tests/it/architecture/documents.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use shared::scope::Scope;

use crate::architecture::{Source, documents, file, files, variables};
use crate::boot::process::Environment;

/// Blocks in these languages name what is ours; those of programs and answers have names of their own.
const LANGUAGES: [&str; 4] = ["", "sh", "bash", "ini"];

/// Variables that libraries read, and no line of ours: OpenTelemetry's exporter.
const READ_BY_OTHERS: [&str; 1] = ["OTEL_EXPORTER_OTLP_HEADERS"];

/// What a document quotes: between backticks, and the lines of its blocks.
fn quotes(text: &str) -> Vec<&str> {
    let mut quotes = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 1 {
            let ours = part.lines().next().is_some_and(|first| LANGUAGES.contains(&first.trim()));
            quotes.extend(part.lines().skip(1).filter(|_| ours).map(str::trim));
        } else {
            quotes.extend(part.split('`').skip(1).step_by(2));
        }
    }
    quotes
}

/// Everything that the documents quote, each with the document's path.
fn quoted() -> Vec<(String, String)> {
    let pairs = documents().into_iter().flat_map(|Source { path, text }| {
        let quotes: Vec<_> = quotes(&text).into_iter().map(str::to_owned).collect();
        quotes.into_iter().map(move |quote| (path.clone(), quote)).collect::<Vec<_>>()
    });
    // What was once, the history may name.
    pairs
        .filter(|(path, _)| path != "CHANGELOG.md" && !path.starts_with("docs/decisions/"))
        .collect()
}

/// Everything that is no document.
fn code() -> String {
    let mut code = String::new();
    let folders = ["api", "worker", "shared", "tests", "deploy", "migrations", ".ci", ".cargo"];
    for ending in
        [".rs", ".sh", ".sql", ".toml", ".example", ".yml", ".yaml", ".json", ".py", "run"]
    {
        code.extend(files(&folders, ending).into_iter().map(|source| source.text));
    }
    code.extend(["Makefile", "Cargo.toml"].into_iter().filter_map(file).map(|source| source.text));
    code
}

static CAPITALS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b").unwrap());

/// The names in capitals of a text, without the variables of its reader's shell.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let named = CAPITALS.find_iter(text);
    named.filter(|found| !text[..found.start()].ends_with(['$', '{'])).map(|found| found.as_str())
}

#[test]
fn every_variable_and_code_that_the_documents_name_exists() {
    let code = code();
    let known = CAPITALS.find_iter(&code).map(|found| found.as_str());
    let known: BTreeSet<_> = known.chain(READ_BY_OTHERS).collect();
    let mut unknown = BTreeSet::new();
    for (path, quote) in quoted() {
        for name in names(&quote).filter(|name| !known.contains(name)) {
            unknown.insert(format!("{path}: {name}"));
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_variable_that_a_process_reads_is_explained_in_a_guide() {
    let quoted = quoted();
    let guides: Vec<_> = quoted.iter().filter(|(path, _)| path.starts_with("docs/")).collect();
    let read: BTreeSet<_> =
        variables(&["api/src", "worker/src", "shared/src"]).into_iter().collect();
    assert!(read.len() > 20, "{read:?}");
    let named = |name: &String| {
        let is_it = |quote: &str| {
            names(quote).any(|found| found == name) || quote.split('=').next() == Some(name)
        };
        guides.iter().any(|(_, quote)| is_it(quote))
    };
    let missing: Vec<_> = read.iter().filter(|name| !named(name)).collect();
    assert!(missing.is_empty(), "no guide in docs/ names {missing:?}");
}

#[test]
fn every_make_target_that_the_documents_name_exists_and_every_one_is_named() {
    let makefile = file("Makefile").unwrap().text;
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter(|line| line.contains(" ## ") && !line.starts_with('\t'))
        .filter_map(|line| line.split(':').next())
        .collect();
    let (mut named, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (path, quote) in quoted() {
        for call in quote.split("&&").filter_map(|call| call.trim().strip_prefix("make ")) {
            let words = call.split([' ', ';']).take_while(|word| !word.starts_with('#'));
            for word in words.filter(|word| !word.is_empty() && !word.contains('=')) {
                if targets.contains(word) {
                    named.insert(word.to_owned());
                } else if word.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                    unknown.insert(format!("{path}: make {word}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    let readme = file("README.md").unwrap().text;
    let listed =
        |target: &str| named.contains(target) && readme.contains(&format!("\n| `make {target}` |"));
    let missing: Vec<_> =
        targets.iter().filter(|target| **target != "help" && !listed(target)).collect();
    assert!(missing.is_empty(), "README.md has no row for make {missing:?}");
}

/// Each command of `api` with its help, by its words: `admin tenant create`.
async fn commands() -> BTreeMap<String, String> {
    let (mut commands, mut open) = (BTreeMap::new(), vec![String::new()]);
    while let Some(command) = open.pop() {
        let words: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = Environment::empty().run(&words).await.success();
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ")?.split([' ', '\n']).next());
        for name in names.filter(|name| !name.is_empty() && *name != "help") {
            open.push(format!("{command} {name}").trim().to_owned());
        }
        commands.insert(command, help);
    }
    commands
}

/// The calls of `api` in a quote: words, and options.
fn calls(quote: &str) -> impl Iterator<Item = (Vec<&str>, Vec<&str>)> {
    quote.split(['|', ';', '&', '(']).filter_map(|call| {
        let words = call.trim().trim_start_matches("$ ").strip_prefix("api ")?;
        let words: Vec<_> =
            words.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        let is_name = |word: &&&str| {
            word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
        };
        let path = words.iter().take_while(is_name).copied().collect();
        let options = words.iter().filter(|word| word.starts_with("--")).copied().collect();
        Some((path, options))
    })
}

#[tokio::test]
async fn every_command_that_the_documents_name_exists_and_every_one_is_named() {
    let commands = commands().await;
    assert!(commands.len() > 8, "{:?}", commands.keys());
    let (mut named, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (path, quote) in quoted() {
        for (words, options) in calls(&quote) {
            // Arguments may follow a command that takes some.
            let found = (0..=words.len()).rev().map(|many| words[..many].join(" "));
            let found =
                found.into_iter().find(|words| commands.contains_key(words)).unwrap_or_default();
            let is_group = commands[&found].contains("\nCommands:");
            if is_group && found.split_whitespace().count() < words.len() {
                unknown.insert(format!("{path}: api {}", words.join(" ")));
            }
            for option in options {
                let option = option.split('=').next().unwrap_or_default();
                if !commands[&found].contains(option) {
                    unknown.insert(format!("{path}: api {found} {option}"));
                }
            }
            named.insert(found);
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    let leaves = commands.iter().filter(|(_, help)| !help.contains("\nCommands:"));
    let missing: Vec<_> =
        leaves.map(|(name, _)| name).filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "no document names api {missing:?}");
}

static ROUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^((?:GET|POST|PUT|PATCH|DELETE)(?: (?:GET|POST|PUT|PATCH|DELETE))*) (/[^\s?`…]+)(?:\?\S*)?$").unwrap()
});
static SCOPE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[a-z_]+:[a-z]+$").unwrap());

/// A path with nothing said of its ids.
fn form(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.chars().next() {
        Some('{' | '$' | '<') => "{}",
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_and_scope_that_the_documents_name_exists() {
    let others = ["/openapi.json", "/docs", "/docs/errors/{}", "/healthz", "/readyz", "/metrics"];
    let routes: Vec<_> = api::routes()
        .iter()
        .map(|route| (route.method.to_string(), form(&route.path)))
        .chain(others.map(|path| ("GET".to_owned(), path.to_owned())))
        .collect();
    // A guide to one resource leaves out how its paths begin.
    let is_known = |method: &str, path: &str| {
        routes.iter().any(|(known, whole)| known == method && whole.ends_with(path))
    };
    let mut unknown = BTreeSet::new();
    for (path, quote) in
        quoted().into_iter().filter(|(path, _)| path != "docs/adding-a-resource.md")
    {
        if let Some(found) = ROUTE.captures(&quote) {
            for method in found[1].split(' ') {
                if !is_known(method, &form(&found[2])) {
                    unknown.insert(format!("{path}: {quote}"));
                }
            }
        }
        let is_scope = |scope: &&str| Scope::ALL.iter().any(|known| known.as_str() == *scope);
        let verbs = [":read", ":write", ":erase", ":secrets"];
        if SCOPE.is_match(&quote)
            && verbs.iter().any(|verb| quote.ends_with(verb))
            && !is_scope(&&*quote)
        {
            unknown.insert(format!("{path}: {quote}"));
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn what_a_document_quotes_is_found() {
    let text = "Run `make dev` or\n```sh\nmake test && make fmt\napi admin tenant create --name x # why\n```\nand `A_B=1`.\n```java\nC_D\n```\n";
    let quotes = quotes(text);
    assert_eq!(quotes[..2], ["make dev", "make test && make fmt"]);
    assert!(quotes.contains(&"A_B=1") && !quotes.contains(&"C_D"), "{quotes:?}");
    let called: Vec<_> = calls("x | api admin tenant create --name y # z").collect();
    assert_eq!(called, [(vec!["admin", "tenant", "create"], vec!["--name"])]);
    assert_eq!(form("/a/{id}/$B"), "/a/{}/{}");
}
