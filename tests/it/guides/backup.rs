//! `docs/backup.md`, followed to the letter: a running product is dumped, copied, and restored into empty clusters.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tests::kit::{CONTACTS, Program, Stage};
use tests::servers::{Folder, Options, Postgres};

use super::page::examples;
use super::shell::Shell;
use crate::architecture::source::root;

/// Soon again, so that a pending delivery is due when its copy starts.
const SOON: [(&str, &str); 1] = [("WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s")];
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs those commands of the guide that contain one of these words, in a folder.
async fn run(words: &[&str], folder: &Path, variables: &[(&str, &str)]) {
    let steps: Vec<_> = examples("docs/backup.md")
        .into_iter()
        .map(|(commands, _)| commands)
        .filter(|commands| words.iter().any(|word| commands.contains(word)))
        .collect();
    assert!(steps.len() >= words.len(), "the guide has no block for one of {words:?}");
    let programs = std::env::current_exe().unwrap().with_file_name("..");
    let servers = std::env::var("PG_BIN").unwrap();
    let path = format!("{}:{servers}:{}", programs.display(), std::env::var("PATH").unwrap());
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let mut shell = Shell::new(keys().into_iter().chain(variables).chain([("PATH", path)]), folder);
    let roles = root().join("deploy/roles.sql").display().to_string();
    for commands in steps {
        let ended = shell.run(&commands.replace("deploy/roles.sql", &roles)).await;
        ended.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// What `api doctor` wants to see besides the database.
fn keys() -> [(&'static str, String); 3] {
    use tests::kit::{PEPPER, SECRET_KEY, TOKEN_KEY, TOKEN_KID};
    [
        ("API_KEY_PEPPER", PEPPER.to_owned()),
        ("JWT_KEYS", format!("{TOKEN_KID}:{TOKEN_KEY}")),
        ("SECRET_KEYS", format!("1:{SECRET_KEY}")),
    ]
}

/// A product with one delivery that waits for its next attempt, and one event that was not relayed; nothing runs.
async fn stopped_with_work_left() -> Stage {
    let mut stage = Stage::start(&SOON).await;
    stage.receiver.answer(503);
    create(&stage, "tried").await;
    stage.receiver.wait_for(1).await;
    let recorded = "select count(*) from webhook_events where attempts > 0";
    until(stage.admin(), recorded, 1).await;
    stage.worker.stop().await;
    create(&stage, "not relayed").await;
    stage
}

async fn create(stage: &Stage, name: &str) {
    let (status, body) = stage.caller.post(CONTACTS, &json!({"name": name})).await.unwrap();
    assert_eq!(status, 201, "{body}");
}

async fn until(admin: &PgPool, count: &'static str, expected: i64) {
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(count).fetch_one(admin).await.unwrap() < expected {
        assert!(Instant::now() < deadline, "{count} is not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The contacts as an api shows them to the tenant that the stage knows.
async fn contacts(stage: &Stage, api: &Program) -> Value {
    let url = format!("{}{CONTACTS}?sort=createdAt", api.url());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(url).header("x-api-key", &stage.caller.api_key);
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(body["data"].as_array().map(Vec::len), Some(2), "{body}");
    body["data"].clone()
}

/// Starts the product on a copy: it serves the same records, and sends what was pending under the ids that it had.
async fn lives_on(mut stage: Stage, app_url: &str, worker_url: &str) {
    let before = contacts(&stage, &stage.api).await;
    let tried = stage.receiver.calls();
    stage.api.stop().await;
    stage.postgres.stop().await.unwrap();
    stage.receiver.answer(200);
    let api = Program::api(app_url, &SOON).await;
    assert_eq!(contacts(&stage, &api).await, before);
    let _worker = Program::worker(worker_url, &SOON).await;
    let calls = stage.receiver.wait_for(tried.len() + 2).await;
    let mut names = Vec::new();
    for call in &calls[tried.len()..] {
        call.assert_signed(&stage.secret);
        let name = call.json()["data"]["name"].as_str().unwrap().to_owned();
        if name == "tried" {
            assert_eq!(call.header("webhook-id"), tried[0].header("webhook-id"));
            assert_eq!(call.body, tried[0].body);
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["not relayed", "tried"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_restored_into_an_empty_cluster_serves_the_same_and_sends_what_was_pending()
{
    let stage = stopped_with_work_left().await;
    let fresh = Postgres::start(Options::TEST).await.unwrap();
    let cluster =
        PgPoolOptions::new().max_connections(1).connect(&fresh.admin_url()).await.unwrap();
    sqlx::raw_sql("create database liaison").execute(&cluster).await.unwrap();
    cluster.close().await;
    let url = |login: &str| fresh.url("liaison", login);
    let folder = Folder::claim("backup", None).unwrap();
    let (from, to) = (stage.postgres.url("liaison", Postgres::SUPERUSER), url(Postgres::SUPERUSER));
    let words = ["pg_dump", "pg_restore", "api doctor", "max(created_at)"];
    let variables = [
        ("SUPERUSER_URL", &*from),
        ("NEW_SUPERUSER_URL", &to),
        ("NEW_APP_URL", &url("crm_app")),
        ("APP_PASSWORD", fresh.password()),
        ("WORKER_PASSWORD", fresh.password()),
    ];
    run(&words, folder.path(), &variables).await;
    lives_on(stage, &url("crm_app"), &url("crm_worker")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_on_a_base_backup_serves_the_same_and_sends_what_was_pending() {
    let stage = stopped_with_work_left().await;
    let folder = Folder::claim("backup", None).unwrap();
    let from = stage.postgres.admin_url();
    run(&["pg_basebackup"], folder.path(), &[("SUPERUSER_URL", &from)]).await;
    let mut fresh = Postgres::start(Options::TEST).await.unwrap();
    let cluster =
        PgPoolOptions::new().max_connections(1).connect(&fresh.admin_url()).await.unwrap();
    let data: String = sqlx::query_scalar("show data_directory").fetch_one(&cluster).await.unwrap();
    cluster.close().await;
    fresh.stop().await.unwrap();
    // The copy under the fresh server's own address and owner.
    let exchange = "cp \"$1/postgresql.conf\" own.conf && chown -R --reference=\"$1\" base &&
        rm -r \"$1\" && mv base \"$1\" && cat own.conf >\"$1/postgresql.conf\"";
    let exchange = ["-c", exchange, "exchange", &data];
    let moved = Command::new("sh").args(exchange).current_dir(folder.path()).output().unwrap();
    assert!(moved.status.success(), "{moved:?}");
    fresh.restart().await.unwrap();
    let url = |login: &str| {
        let (old, new) = (stage.postgres.port().to_string(), fresh.port().to_string());
        stage.postgres.url("liaison", login).replace(&old, &new)
    };
    let (app_url, worker_url) = (url("crm_app"), url("crm_worker"));
    lives_on(stage, &app_url, &worker_url).await;
}
