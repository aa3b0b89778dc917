//! docs/administration.md: every command in it is run, in its order, and prints what stands below it, but for ids,
//! times and secrets; and it leaves out no command. `BLESS=1` writes what was printed into it.

use chrono::TimeDelta;
use regex::Regex;
use tests::kit::TestApp;
use tests::servers::Folder;

use super::operator;
use crate::architecture::file;
use crate::boot::process::Environment;
use crate::guides::page::{self, Part};
use crate::guides::shell::Shell;
use crate::replays::Past;

const DOCUMENT: &str = "docs/administration.md";
fn is_id(word: &str) -> bool {
    word.len() == 36 && word.parse::<uuid::Uuid>().is_ok()
}

/// The text with what differs from run to run made the same. A column's width is not compared.
fn normal(text: &str) -> Vec<Vec<String>> {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").unwrap();
    let word = |word: &str| {
        if is_id(word) {
            "<id>".to_owned()
        } else if let Some((head, _)) = word.split_once("crm_live_") {
            format!("{head}<key>")
        } else if word.starts_with("eyJ") {
            "<token>".to_owned()
        } else if let Some((name, _)) = word.split_once('=') {
            format!("{name}=<secret>")
        } else {
            time.replace_all(word, "<time>").into_owned()
        }
    };
    // A key's prefix is drawn too.
    let prefix = text.lines().next().and_then(|head| head.find("PREFIX"));
    let without = |line: &str| match prefix.filter(|at| line.len() >= at + 8) {
        Some(at) => format!("{}<prefix>{}", &line[..at], &line[at + 8..]),
        None => line.to_owned(),
    };
    let lines = text.lines().map(without);
    lines.map(|line| line.split_whitespace().map(word).collect()).collect()
}

/// The same without the rest of keys, which would look like somebody's.
fn hidden(text: &str) -> String {
    let short = |line: &str| match (line.find("crm_live_"), line.find("=1:")) {
        (Some(at), _) => format!("{}crm_live_…\n", &line[..at]),
        (None, Some(at)) => format!("{}=1:…\n", &line[..at]),
        _ if line.starts_with("API_KEY_PEPPER=") => "API_KEY_PEPPER=…\n".to_owned(),
        _ => format!("{line}\n"),
    };
    text.lines().map(short).collect()
}

/// Of the doctor only what it looks at is the same everywhere: a test's cluster is made to be fast.
fn looked_at(text: &str) -> Vec<Vec<String>> {
    let what = |line: &str| line[9..].split(':').next().unwrap().to_owned();
    text.lines().map(|line| vec![what(line)]).collect()
}

/// What a command prints first that is an id, for the steps after it.
fn names(line: &str) -> Option<&'static str> {
    let made = [
        ("tenant create", "TENANT"),
        ("user create", "ADA"),
        ("api-key create", "KEY"),
        ("replay start", "REPLAY"),
    ];
    let made =
        made.iter().find(|(command, _)| line.contains(command) && !line.contains("--dry-run"));
    made.map(|(_, name)| *name)
}

/// A webhook of the tenant with failed deliveries of the last hour, as its tenant would have made it.
async fn webhook(app: &TestApp, operator: &Environment, tenant: &str) -> String {
    let create =
        ["api-key", "create", "--tenant", tenant, "--name", "Setup", "--scopes", "webhooks:write"];
    let key = super::json(operator, &create).await;
    let acme = app.tenant("Globex").await;
    let acme = acme.with(tests::kit::Credential::ApiKey(key["key"].as_str().unwrap().to_owned()));
    let made = acme.webhook("http://127.0.0.1:9/hook", &["contact.*"]).await;
    let revoke =
        ["admin", "api-key", "revoke", "--tenant", tenant, "--key", key["id"].as_str().unwrap()];
    operator.run(&revoke).await.success();
    let id = made["id"].as_str().unwrap().to_owned();
    let from = app.clock.now() - TimeDelta::hours(1);
    let (status, event, count) = ("failed", "contact.created", 12);
    let past = Past { webhook: id.parse().unwrap(), status, event, from, count };
    past.plant(app.database.admin()).await;
    id
}

#[tokio::test]
async fn every_command_of_the_guide_prints_what_the_guide_shows() {
    let (app, folder) = (TestApp::present().await, Folder::claim("guide", None).unwrap());
    let operator = operator(&app.database);
    let mut shell = Shell::new(operator.variables(), folder.path());
    let text = file(DOCUMENT).unwrap().text;
    let (mut parts, mut old) = (Vec::new(), page::parse(&text).into_iter().peekable());
    while let Some(part) = old.next() {
        let Part::Example(commands) = part else {
            parts.push(part);
            continue;
        };
        let said = shell.run(&commands).await.unwrap_or_else(|failure| panic!("{failure}"));
        if let Some(name) = names(&commands) {
            let id = said.split_whitespace().find(|word| is_id(word)).unwrap().to_owned();
            if name == "TENANT" {
                shell.keep("WEBHOOK", webhook(&app, &operator, &id).await);
            }
            shell.keep(name, id);
        }
        let form = if commands == "api doctor" { looked_at } else { normal };
        let shown = old.next_if(|part| matches!(part, Part::Answer { .. }));
        let same =
            |shown: &Part| matches!(shown, Part::Answer { text, .. } if form(text) == form(&said));
        parts.push(Part::Example(commands));
        parts.push(shown.filter(same).unwrap_or_else(|| answer(&said)));
    }
    page::hold(DOCUMENT, &parts);
}

fn answer(said: &str) -> Part {
    Part::Answer { language: String::new(), text: hidden(said).trim_end().to_owned() }
}

/// The commands under a heading of `--help`.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_guide_leaves_out_no_command_and_each_has_an_example() {
    let (examples, nothing) = (page::examples(DOCUMENT), Environment::empty());
    assert!(examples.len() > 35, "{}", examples.len());
    let mut waiting = vec![vec!["admin".to_owned()], vec!["doctor".to_owned()]];
    let mut count = 0;
    while let Some(command) = waiting.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let name = format!("api {}", arguments.join(" "));
        arguments.push("--help");
        let help = nothing.run(&arguments).await.success();
        let inside = commands(&help);
        if inside.is_empty() {
            count += 1;
            assert!(examples.iter().any(|(line, _)| line.starts_with(&name)), "{name}");
            assert!(help.contains("Example") && help.contains(&name), "{name} --help:\n{help}");
        }
        waiting.extend(inside.into_iter().map(|inner| [&command[..], &[inner]].concat()));
    }
    assert!(count > 30, "{count}");
}
