//! What scripts rely on of `make dev`: `target/dev.json`, and that nothing is left when it ends.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;
use sqlx::Connection as _;
use tests::dev::hands_on;
use tests::kit::{Answer, binary};
use tests::servers::Folder;

use super::getting_started::{PATIENCE, Running, dev};

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn text<'a>(file: &'a Value, pointer: &str) -> &'a str {
    file.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}: {file:#}"))
}

fn lives(pid: &Value) -> bool {
    let pid = i32::try_from(pid.as_u64().unwrap()).unwrap();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

async fn get(url: String, header: (&str, &str)) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Answer::to(http.get(url).header(header.0, header.1)).await
}

/// Expects what is documented, and no more.
fn has_its_shape(path: &Path, file: &Value) {
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let members = [
        "adminUrl",
        "apiUrl",
        "catcherUrl",
        "databaseUrl",
        "env",
        "pids",
        "tenants",
        "workerAdminUrl",
    ];
    assert_eq!(keys(file), BTreeSet::from(members));
    assert_eq!(keys(&file["pids"]), BTreeSet::from(["api", "postgres", "worker"]));
    assert_eq!(keys(&file["env"]), BTreeSet::from(["api", "worker"]));
    let tenants = file["tenants"].as_array().unwrap();
    assert_eq!(tenants.len(), 2);
    for tenant in tenants {
        assert_eq!(keys(tenant), BTreeSet::from(["accessToken", "apiKey", "id", "name"]));
    }
}

/// Expects that each address answers, and each credential is its tenant's.
async fn answers(file: &Value) {
    for url in ["/adminUrl", "/workerAdminUrl"] {
        let ready = get(format!("{}/readyz", text(file, url)), ("accept", "*/*")).await;
        assert_eq!(ready.status, 200, "{url}: {ready:?}");
    }
    let caught = get(text(file, "/catcherUrl").to_owned(), ("accept", "*/*")).await;
    assert_eq!(caught.status, 200, "{caught:?}");
    let me = format!("{}/api/v1/me", text(file, "/apiUrl"));
    for tenant in file["tenants"].as_array().unwrap() {
        let bearer = format!("Bearer {}", text(tenant, "/accessToken"));
        for header in [("x-api-key", text(tenant, "/apiKey")), ("authorization", &*bearer)] {
            let shown = get(me.clone(), header).await.ok();
            let shown = (&shown["tenant"]["id"], &shown["tenant"]["name"]);
            assert_eq!(shown, (&tenant["id"], &tenant["name"]));
        }
    }
    let mut owner = sqlx::PgConnection::connect(text(file, "/databaseUrl")).await.unwrap();
    let (owns, tenants): (bool, i64) =
        sqlx::query_as("select pg_has_role('crm_owner', 'member'), (select count(*) from tenants)")
            .fetch_one(&mut owner)
            .await
            .unwrap();
    assert_eq!((owns, tenants), (true, 2));
    owner.close().await.unwrap();
}

/// Expects that the environments are enough for the programs, and are what dev was given.
fn environments_suffice(file: &Value) {
    for (name, value) in [("DRAIN_DELAY", "1ms"), ("OIDC_TENANT_CLAIM", "org")] {
        for program in ["api", "worker"] {
            assert_eq!(file["env"][program][name], value, "{program}");
        }
    }
    let only_apis = |name: &&str| ["JWT_KEYS", "API_KEY_PEPPER"].contains(name);
    assert_eq!(keys(&file["env"]["api"]).into_iter().filter(only_apis).count(), 2);
    assert_eq!(keys(&file["env"]["worker"]).into_iter().filter(only_apis).count(), 0);
    for (program, command) in [("api", "doctor"), ("api", "health"), ("worker", "health")] {
        let environment = file["env"][program].as_object().unwrap();
        let environment = environment.iter().map(|(name, value)| (name, value.as_str().unwrap()));
        let mut run = Command::new(binary(program));
        let ended = run.arg(command).env_clear().envs(environment).output().unwrap();
        assert!(ended.status.success(), "{program} {command}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_json_leads_to_everything_that_runs_and_goes_with_it() {
    let here = Folder::claim("dev-file", None).unwrap();
    let (target, path) = (here.path().join("target"), here.path().join("target/dev.json"));
    fs::create_dir(&target).unwrap();
    let mut command = dev(&target);
    command.env("DRAIN_DELAY", "1ms").env("OIDC_TENANT_CLAIM", "org");
    let mut product = Running::start(command, &here);
    product.says("Liaison runs.").await;
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    has_its_shape(&path, &file);
    let pids = ["api", "worker", "postgres"].map(|name| &file["pids"][name]);
    assert!(pids.into_iter().all(lives), "{pids:?}");
    answers(&file).await;
    environments_suffice(&file);

    let second = dev(&target).output().unwrap();
    let said = String::from_utf8_lossy(&second.stdout).into_owned()
        + &String::from_utf8_lossy(&second.stderr);
    assert!(second.status.code() == Some(1) && said.contains("it already runs here"), "{second:?}");
    assert!(path.exists(), "the second one has taken the first one's file");

    // As Ctrl-C does.
    let ended = product.process.stop_with(Signal::INT, PATIENCE).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{}", fs::read_to_string(&product.log).unwrap());
    assert!(!path.exists());
    assert!(!pids.into_iter().any(lives), "{pids:?}");
}

#[test]
fn dev_hands_on_every_variable_of_the_programs_that_it_does_not_set_itself() {
    let own = ["API_LISTEN", "ADMIN_LISTEN", "DATABASE_URL", "MIGRATION_DATABASE_URL"];
    for program in ["api", "worker"] {
        let help = Command::new(binary(program)).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let lines = help.split("Environment:").nth(1).unwrap().lines();
        let names = lines.filter_map(|line| line.trim().split_once("  [").map(|(name, _)| name));
        let names: Vec<_> = names.collect();
        assert!(names.len() > 12, "{names:?}");
        let left: Vec<_> =
            names.into_iter().filter(|name| !hands_on(name) && !own.contains(name)).collect();
        assert!(left.is_empty(), "{program}: {left:?}");
    }
    assert!(!own.into_iter().any(hands_on));
}
