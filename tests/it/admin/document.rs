//! docs/administration.md: every command in it is run, in its order, and prints what stands below it, but for ids, times and
//! secrets; and it leaves out no command. `BLESS=1` writes what was printed into it.

use std::collections::BTreeMap;
use std::fs;

use chrono::TimeDelta;
use regex::Regex;
use tests::kit::TestApp;
use tests::servers::Folder;

use super::operator;
use crate::architecture::root;
use crate::boot::process::Environment;
use crate::replays::Past;

const DOCUMENT: &str = "docs/administration.md";
const BEGIN: &str = "```sh\n";
const END: &str = "```\n";

/// A command and what the document says that it prints; the place behind the command, and behind the output.
struct Step<'a> {
    line: &'a str,
    printed: Option<&'a str>,
    from: usize,
    to: usize,
}

fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for (at, _) in text.match_indices(BEGIN) {
        let line = text[at + BEGIN.len()..].split(END).next().unwrap();
        let from = at + BEGIN.len() + line.len() + END.len();
        let printed = text[from..].strip_prefix(END).map(|rest| rest.split(END).next().unwrap());
        let to = from + printed.map_or(0, |printed| printed.len() + 2 * END.len());
        steps.push(Step { line: line.trim_end(), printed, from, to });
    }
    steps
}

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
    let path = root().join(DOCUMENT);
    let text = fs::read_to_string(&path).unwrap();
    let (app, folder) = (TestApp::present().await, Folder::claim("guide", None).unwrap());
    let mut operator = operator(&app.database);
    let (mut blessed, mut done) = (String::new(), 0);
    let mut misses = BTreeMap::new();
    let steps = steps(&text);
    assert!(steps.len() > 35, "{}", steps.len());
    for step in &steps {
        let line = format!("cd {} && {}", folder.path().display(), step.line);
        let said = operator.shell(&line).await.success();
        if let Some(name) = names(step.line) {
            let id = said.split_whitespace().find(|word| is_id(word)).unwrap().to_owned();
            operator = operator.set(name, id.clone());
            if name == "TENANT" {
                let webhook = webhook(&app, &operator, &id).await;
                operator = operator.set("WEBHOOK", webhook);
            }
        }
        let is_doctor = step.line == "api doctor";
        let form = if is_doctor { looked_at } else { normal };
        let shown = step.printed.unwrap_or_default();
        if form(shown) != form(&said) {
            misses.insert(step.line, format!("\nshown:\n{shown}\nprinted:\n{said}"));
        }
        blessed.push_str(&text[done..step.from]);
        let said = hidden(&said);
        let kept = if is_doctor { shown } else { &said };
        blessed.extend([END, kept, END]);
        done = step.to;
    }
    blessed.push_str(&text[done..]);
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, blessed).unwrap();
    } else {
        assert!(misses.is_empty(), "{misses:#?}");
    }
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
    let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let nothing = Environment::empty();
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
            assert!(steps(&text).iter().any(|step| step.line.starts_with(&name)), "{name}");
            assert!(help.contains("Example") && help.contains(&name), "{name} --help:\n{help}");
        }
        waiting.extend(inside.into_iter().map(|inner| [&command[..], &[inner]].concat()));
    }
    assert!(count > 30, "{count}");
}
