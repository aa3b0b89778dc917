//! docs/errors.md, the catalogue of error codes, which every error links to (docs/decisions/0025).

use std::collections::BTreeMap;

use api::error::CODES;
use reqwest::Method;
use tests::kit::{Answer, TestApp};

use crate::architecture::file;

/// Headings and texts of the entries.
fn entries(guide: &str) -> Vec<(&str, &str)> {
    let entries = guide.split("\n## ").skip(1).filter_map(|entry| entry.split_once('\n'));
    entries
        .filter(|(heading, _)| heading.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect()
}

#[test]
fn the_catalogue_explains_every_code_in_order_and_no_other() {
    let guide = file("docs/errors.md").unwrap().text;
    let explained: Vec<_> = entries(&guide).into_iter().map(|(code, _)| code).collect();
    assert_eq!(explained, CODES);
}

#[test]
fn each_entry_says_its_status_and_what_to_do_and_stands_in_the_table_under_it() {
    let guide = file("docs/errors.md").unwrap().text;
    let rows: BTreeMap<_, _> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .flat_map(|(status, codes)| {
            codes.split('`').skip(1).step_by(2).map(move |code| (code, status))
        })
        .collect();
    let mut faults = Vec::new();
    for (code, text) in entries(&guide) {
        let status = text.trim_start().strip_prefix("Status ").and_then(|rest| rest.get(..3));
        if status.is_none_or(|status| !rows.get(code).is_some_and(|row| row.contains(status))) {
            faults.push(format!("{code}: {status:?}, and in the table {:?}", rows.get(code)));
        }
        if !text.contains("\nWhat to do: ") {
            faults.push(format!("{code} does not say what to do"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The path that an answer links to for help.
fn help(answer: &Answer) -> String {
    let links: Vec<_> =
        answer.headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).collect();
    let helps =
        links.iter().filter_map(|link| link.strip_prefix('<')?.strip_suffix(">; rel=\"help\""));
    let helps: Vec<_> = helps.collect();
    assert_eq!(helps.len(), 1, "{links:?} of {:#}", answer.body);
    helps[0].to_owned()
}

#[tokio::test]
async fn every_error_links_to_its_entry_which_the_api_serves() {
    let app = TestApp::start().await;
    let get = async |path: &str| Answer::to(app.request(Method::GET, path)).await;
    let wrong = async |method, path| Answer::to(app.request(method, path)).await;
    for (answer, code, status) in [
        (get("/nowhere").await, "NOT_FOUND", 404),
        (get("/api/v1/me").await, "UNAUTHORIZED", 401),
        (wrong(Method::DELETE, "/api/v1/me").await, "METHOD_NOT_ALLOWED", 405),
        (wrong(Method::POST, "/api/v1/auth/refresh").await, "UNSUPPORTED_MEDIA_TYPE", 415),
    ] {
        let entry = get(&help(&answer)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (status, &code.into()));
        let text = entry.body.as_str().unwrap_or_default();
        let begins = format!("{code}\n\nStatus {status}");
        assert!(entry.status == 200 && text.starts_with(&begins), "{code}: {entry:?}");
        assert_eq!(entry.header("content-type"), "text/plain; charset=utf-8");
    }
    for code in CODES {
        assert_eq!(get(&format!("/docs/errors/{code}")).await.status, 200, "{code}");
    }
    for unknown in ["Deliveries", "validation_error", "x"] {
        get(&format!("/docs/errors/{unknown}")).await.not_found("Error code not found");
    }
    let ok = get("/openapi.json").await;
    assert_eq!(ok.headers.get("link"), None);
}
