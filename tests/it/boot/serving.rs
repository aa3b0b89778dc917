//! A start that succeeds, what it serves, and how it stops.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::kit::Database;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use super::process::Environment;

/// A serving api.
struct Serving {
    process: Child,
    log: Lines<BufReader<ChildStdout>>,
    api: SocketAddr,
    admin: SocketAddr,
}

impl Serving {
    /// Starts it and waits until its log says where it listens.
    async fn start(environment: &Environment) -> Self {
        let mut process = environment.command(&["serve"]).spawn().unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = line_with(&mut log, "serving").await;
        let address = |name: &str| {
            line["fields"][name].as_str().or(line[name].as_str()).unwrap().parse().unwrap()
        };
        Self { process, log, api: address("api"), admin: address("admin") }
    }
}

/// The next line of the log with this message.
async fn line_with(log: &mut Lines<BufReader<ChildStdout>>, message: &str) -> Value {
    let found = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains(message) {
                return serde_json::from_str(&line).unwrap();
            }
        }
        panic!("the log ended without {message:?}");
    };
    tokio::time::timeout(Duration::from_mins(1), found).await.expect(message)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Creates a tenant with the command and takes its key.
async fn new_key(environment: &Environment) -> String {
    let arguments = [
        "admin",
        "tenant",
        "create",
        "--name",
        "Anna",
        "--owner-email",
        "anna@example.com",
        "--json",
    ];
    let said = environment.run(&arguments).await.success();
    let created: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(created["tenant"]["name"], "Anna");
    created["apiKey"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_key_of_a_tenant_created_by_command_works_at_once() {
    let database = Database::migrated().await;
    let environment = Environment::of(&database);
    let serving = Serving::start(&environment).await;
    let key = new_key(&environment).await;
    let list = format!("http://{}/api/v1/connection/contacts", serving.api);
    let answer = client().get(&list).header("x-api-key", key).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(client().get(&list).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn operators_see_health_readiness_and_metrics_on_a_port_of_their_own() {
    let database = Database::migrated().await;
    let serving = Serving::start(&Environment::of(&database)).await;
    for (path, text) in [("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "db_connections")] {
        let answer = client().get(format!("http://{}{path}", serving.admin)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.text().await.unwrap().contains(text), "{path}");
        let outside = client().get(format!("http://{}{path}", serving.api)).send().await.unwrap();
        assert_eq!(outside.status(), 404, "{path} is none of the tenants' business");
    }
}

#[tokio::test]
async fn a_stop_signal_ends_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let database = Database::migrated().await;
        let mut serving = Serving::start(&Environment::of(&database)).await;
        let pid = Pid::from_raw(i32::try_from(serving.process.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        line_with(&mut serving.log, "stopped").await;
        let status = tokio::time::timeout(Duration::from_mins(1), serving.process.wait()).await;
        assert!(status.expect("it ends").unwrap().success());
    }
}

#[tokio::test]
async fn an_access_token_by_command_works_and_belongs_to_a_session_that_can_be_ended() {
    let database = Database::migrated().await;
    let environment = Environment::of(&database).set("DEMO_LOGIN", "true");
    let serving = Serving::start(&environment).await;
    let create = ["admin", "tenant", "create", "--name", "Demo", "--demo", "demo", "--json"];
    let create = [&create[..], &["--owner-email", "owner@demo.example"]].concat();
    let created: Value = serde_json::from_str(&environment.run(&create).await.success()).unwrap();
    let (tenant, user) =
        (created["tenant"]["id"].as_str().unwrap(), created["user"]["id"].as_str().unwrap());
    let arguments = ["admin", "token", "--tenant", tenant, "--user", user, "--ttl", "12h"];
    let token = environment.run(&arguments).await.success();
    let sessions = format!("http://{}/api/v1/auth/sessions", serving.api);
    let answer = client().get(&sessions).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let login = format!("http://{}/api/auth/demo-login", serving.api);
    assert_eq!(client().post(login).send().await.unwrap().status(), 200);
    let logout = format!("http://{}/api/v1/auth/logout", serving.api);
    let answer = client().post(logout).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let answer = client().get(&sessions).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(answer.status(), 401);

    let nobody = ["admin", "token", "--tenant", tenant, "--user", tenant];
    environment.run(&nobody).await.refused(&["no such active user in this tenant"]);
    let odd = [
        &["admin", "tenant", "create", "--name", "X", "--owner-email", "x@x.example"][..],
        &["--demo", "Not A Label"],
    ]
    .concat();
    environment.run(&odd).await.refused(&["--demo: write 1 to 40 small letters and digits"]);
}
