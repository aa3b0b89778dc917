//! docs/reference: an example for each route, run as it stands. `make docs-renew` writes the answers anew.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::facts;
use super::layout::laid_out;
use super::page::{Part, hold, parse};
use super::plain::{StandIns, timeless};
use super::product::Product;
use super::shell::Shell;
use crate::architecture::{Source, file, files};
use crate::openapi::document;

/// What stands for the receiver's address.
const CATCHER: &str = "http://127.0.0.1:45391";
/// What stands for the api's.
const API: &str = "http://127.0.0.1:8080";

/// The pages of the reference.
fn reference() -> Vec<Source> {
    let mut pages = files(&["docs/reference"], ".md");
    pages.retain(|page| !page.path.ends_with("/index.md"));
    pages
}

/// The page with the answers and the facts of today.
async fn renewed(text: &str) -> Result<Vec<Part>, String> {
    let (document, routes) = (document(), api::routes());
    let (mut product, mut stand_ins) = (Product::start().await, StandIns::default());
    let (mut said, mut parts) = (String::new(), Vec::new());
    let mut old = parse(text).into_iter().peekable();
    while let Some(part) = old.next() {
        match part {
            Part::Facts { route, .. } => {
                let found = routes.iter().find(|known| facts::name(known) == route);
                let known = found.ok_or_else(|| format!("{route} is no route"))?;
                let lines = facts::lines(&document, known);
                parts.push(Part::Facts { route, lines });
            }
            Part::Example(commands) => {
                said = product.run(&commands).await.map_err(|failure| failure.to_string())?;
                parts.push(Part::Example(commands));
                let shown = old.next_if(|part| matches!(part, Part::Answer { .. }));
                parts.push(answer(&said, &product.shell, &mut stand_ins, shown));
            }
            Part::Capture { name, pointer, line } => {
                let value = captured(&said, &pointer)
                    .ok_or_else(|| format!("{line}\nbut the answer is {said}"))?;
                product.shell.keep(&name, value);
                parts.push(Part::Capture { name, pointer, line });
            }
            Part::Answer { .. } | Part::Text(_) => parts.push(part),
        }
    }
    Ok(parts)
}

/// What is shown of an answer; what is shown already, if it says the same.
fn answer(said: &str, shell: &Shell, stand_ins: &mut StandIns, shown: Option<Part>) -> Part {
    let here = [(shell.variable("CATCHER"), CATCHER), (shell.variable("API"), API)];
    let plain = stand_ins.plain(said, &here);
    let (language, text) = match serde_json::from_str::<Value>(said) {
        Ok(Value::Object(_)) => ("json", laid_out(&plain)),
        _ if said.starts_with("HTTP/") => ("http", plain),
        _ => ("text", plain),
    };
    match shown {
        Some(Part::Answer { language: known, text: old })
            if known == language && timeless(&old) == timeless(&text) =>
        {
            Part::Answer { language: known, text: old }
        }
        _ => Part::Answer { language: language.to_owned(), text },
    }
}

fn captured(said: &str, pointer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(said).ok()?;
    match answer.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Holds a page to what is answered today, or writes that.
async fn check(path: &str) {
    let Source { text, .. } = file(path).unwrap();
    let today = renewed(&text).await.unwrap_or_else(|fault| panic!("{path}: {fault}"));
    hold(path, &today);
}

/// One test for each page.
macro_rules! pages {
    ($($test:ident $path:literal)*) => {
        /// All pages with examples that are run.
        const PAGES: &[&str] = &[$($path),*];

        $(#[tokio::test]
        async fn $test() {
            check($path).await;
        })*
    };
}

pages! {
    examples_of_activities_are_answered_as_shown "docs/reference/activities.md"
    examples_of_api_keys_are_answered_as_shown "docs/reference/api-keys.md"
    examples_of_the_audit_log_are_answered_as_shown "docs/reference/audit-log.md"
    examples_of_companies_are_answered_as_shown "docs/reference/companies.md"
    examples_of_contacts_are_answered_as_shown "docs/reference/contacts.md"
    examples_of_deliveries_are_answered_as_shown "docs/reference/deliveries.md"
    examples_of_erasures_are_answered_as_shown "docs/reference/erasures.md"
    examples_of_events_are_answered_as_shown "docs/reference/events.md"
    examples_of_imports_are_answered_as_shown "docs/reference/imports.md"
    examples_of_leads_are_answered_as_shown "docs/reference/leads.md"
    examples_of_meta_are_answered_as_shown "docs/reference/meta.md"
    examples_of_pipelines_are_answered_as_shown "docs/reference/pipelines.md"
    examples_of_settings_are_answered_as_shown "docs/reference/settings.md"
    examples_of_signing_in_are_answered_as_shown "docs/reference/signing-in.md"
    examples_of_users_are_answered_as_shown "docs/reference/users.md"
    examples_of_webhooks_are_answered_as_shown "docs/reference/webhooks.md"
    examples_of_errors_are_answered_as_shown "docs/errors.md"
    examples_of_pagination_are_answered_as_shown "docs/pagination.md"
}

static CALL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?s)curl\s(.*?)\$API(/[^\s"'?]*)(.*)"#).unwrap());
static METHOD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-X ([A-Z]+)").unwrap());

/// Method and path that an example's first call has.
fn called(commands: &str) -> Option<(String, String)> {
    let call = CALL.captures(commands)?;
    let options = format!("{}{}", &call[1], &call[3]);
    let named = METHOD.captures(&options).map(|found| found[1].to_owned());
    let sends = [" -d ", " --data-binary ", " -F "].iter().any(|option| options.contains(option));
    let method = named.unwrap_or_else(|| if sends { "POST" } else { "GET" }.to_owned());
    Some((method, call[2].to_owned()))
}

fn is(route: &str, (method, path): &(String, String)) -> bool {
    let (known, template) = route.split_once(' ').unwrap();
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    known == method
        && template.len() == path.len()
        && template
            .iter()
            .zip(path)
            .all(|(one, other)| *one == other || (one.starts_with('{') && other.starts_with('$')))
}

#[test]
fn every_route_is_introduced_once_under_its_summary_and_called_by_its_example() {
    let document = document();
    let (mut introduced, mut faults) = (Vec::new(), Vec::new());
    for Source { path, text } in reference() {
        let (mut heading, mut pending) = (String::new(), None);
        for part in parse(&text) {
            match part {
                Part::Text(line) if line.starts_with("## ") => heading = line[3..].to_owned(),
                Part::Facts { route, .. } => {
                    if facts::summary(&document, &route) != Some(&heading) {
                        faults.push(format!("{route} is under {heading}"));
                    }
                    introduced.push(route.clone());
                    faults.extend(
                        pending.replace(route).map(|route| format!("{route} has no example")),
                    );
                }
                Part::Example(commands) => {
                    let Some(route) = pending.take() else { continue };
                    if !called(&commands).is_some_and(|call| is(&route, &call)) {
                        faults.push(format!("{path}: {route} is not called by\n{commands}"));
                    }
                }
                _ => {}
            }
        }
        faults.extend(pending.map(|route| format!("{route} has no example")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let unrun: Vec<_> = reference()
        .into_iter()
        .filter(|page| !PAGES.contains(&&*page.path))
        .map(|page| page.path)
        .collect();
    assert!(unrun.is_empty(), "no test runs {unrun:?}");
    let routes: BTreeSet<_> = api::routes().iter().map(facts::name).collect();
    let named: BTreeSet<_> = introduced.iter().cloned().collect();
    assert_eq!(introduced.len(), named.len(), "a route is introduced twice");
    let missing: Vec<_> = routes.difference(&named).collect();
    assert!(missing.is_empty(), "docs/reference has no example of {missing:#?}");
}

#[test]
fn a_call_is_recognised_by_its_method_and_path() {
    let made = called("curl -s \"$API/api/v1/a/$ID/b?x=1\" \\\n  -H 'A: b' -d '{}'").unwrap();
    assert!(is("POST /api/v1/a/{id}/b", &made) && !is("GET /api/v1/a/{id}/b", &made));
    assert!(!is("POST /api/v1/a/{id}", &made) && !is("POST /api/v1/c/{id}/b", &made));
    let removed = called("curl -s -X DELETE $API/a/$ID").unwrap();
    assert!(is("DELETE /a/{id}", &removed));
}
