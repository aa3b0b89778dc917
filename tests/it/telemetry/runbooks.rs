//! Every alert has its page and its tests, and what a page says can be done.

use std::collections::BTreeSet;

use tests::kit::Database;

use crate::architecture::source::{Source, file, files};

pub const ALERTS: &str = "deploy/observe/alerts.yml";
pub const RUNBOOKS: &str = "docs/runbooks/";

pub fn read(path: &str) -> String {
    file(path).unwrap_or_else(|| panic!("no {path}")).text
}

/// The blocks of a document in this language.
pub fn blocks<'a>(document: &'a Source, language: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("```{language}\n");
    let blocks: Vec<_> = document.text.split(&opening).skip(1).collect();
    blocks.into_iter().filter_map(|rest| rest.split("```").next())
}

/// `ApiDown` is explained in `api-down.md`.
fn page(alert: &str) -> String {
    let words = alert.chars().fold(String::new(), |mut all, c| {
        if c.is_ascii_uppercase() && !all.is_empty() {
            all.push('-');
        }
        all.push(c.to_ascii_lowercase());
        all
    });
    format!("{RUNBOOKS}{words}.md")
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let text = read(ALERTS);
    let mut pages = BTreeSet::new();
    for block in text.split("- alert: ").skip(1) {
        let alert = block.lines().next().unwrap().trim();
        let page = page(alert);
        for expected in ["severity: ", "summary: ", "description: ", &format!("runbook: {page}")] {
            assert!(block.contains(expected), "{alert} lacks {expected}");
        }
        pages.insert(page);
    }
    let all = files(&[RUNBOOKS], ".md");
    let written: BTreeSet<_> = all.iter().map(|page| page.path.clone()).collect();
    let index = format!("{RUNBOOKS}README.md");
    assert_eq!(written, pages.union(&[index.clone()].into()).cloned().collect());
    let listed = read(&index);
    for page in all.iter().filter(|page| page.path != index) {
        let name = page.path.rsplit('/').next().unwrap();
        assert!(listed.contains(&format!("({name})")), "{index} does not name {name}");
        for heading in
            ["## What it means", "## Look", "## Likely causes", "## What to do", "## It is over"]
        {
            assert!(page.text.contains(heading), "{} lacks {heading}", page.path);
        }
        assert_ne!(blocks(page, "promql").count(), 0, "{} shows no query", page.path);
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let (alerts, tests) = (read(ALERTS), read("deploy/observe/alerts_test.yml"));
    for block in alerts.split("- alert: ").skip(1) {
        let alert = block.lines().next().unwrap().trim();
        let name = format!("alertname: {alert}\n");
        let cases = tests.split(&name).skip(1);
        let cases = cases.map(|rest| rest.split("alertname: ").next().unwrap());
        let (mut fires, mut rests) = (false, false);
        for case in cases {
            let expected = case.split("exp_alerts:").nth(1).unwrap_or_default().trim_start();
            if expected.starts_with("[]") { rests = true } else { fires = true }
        }
        assert!(fires && rests, "{alert}: fires {fires}, rests {rests}");
    }
}

#[tokio::test]
async fn every_statement_of_a_runbook_runs() {
    let database = Database::migrated().await;
    let mut statements = 0;
    for page in files(&[RUNBOOKS], ".md") {
        for statement in blocks(&page, "sql") {
            database.execute(statement).await;
            statements += 1;
        }
    }
    assert!(statements >= 10, "{statements}");
}
