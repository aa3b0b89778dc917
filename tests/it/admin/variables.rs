//! What is wrong with a variable is told with its name and an example, never with its value.

use tests::kit::Database;

use crate::boot::process::Environment;

/// Any text is one.
const FREE: [&str; 2] = ["OIDC_AUDIENCE", "OIDC_TENANT_CLAIM"];

/// The names under "Environment:".
fn variables(help: &str) -> Vec<&'static str> {
    let lines = help.split("Environment:").nth(1).unwrap().lines();
    let names = lines.filter_map(|line| line.trim().split_once("  [").map(|(name, _)| name));
    names.map(|name| &*name.to_owned().leak()).collect()
}

/// A wrong value. As directives of a log nearly anything goes.
fn wrong(name: &str) -> &'static str {
    if name == "LOG" { "worker=hunter2" } else { "hunter2 \u{2603}" }
}

/// What is missing in what is told of a variable.
fn fault(name: &str, said: &str) -> Option<String> {
    let told = said.lines().find(|line| line.contains(&format!("{name} is not valid: ")));
    let example = told.is_some_and(|told| told.contains("write "));
    let fine = example && !said.contains("hunter2");
    (!fine).then(|| format!("{name}: {}", told.unwrap_or(said)))
}

#[tokio::test]
async fn each_variable_of_the_help_says_what_it_takes_when_it_is_wrong() {
    let database = Database::migrated().await;
    let help = Environment::empty().run(&["--help"]).await.success();
    let names = variables(&help);
    assert!(names.len() > 25, "{names:?}");
    let mut faults = Vec::new();
    for name in names.into_iter().filter(|name| !FREE.contains(name)) {
        let migrates = name == "MIGRATION_DATABASE_URL";
        let command = if migrates { "migrate" } else { "doctor" };
        let ended = Environment::of(&database).set(name, wrong(name)).run(&[command]).await;
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        faults.extend(fault(name, if migrates { &ended.stderr } else { &ended.stdout }));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn each_variable_of_the_workers_help_does_too() {
    let database = Database::migrated().await;
    let help = Environment::empty().worker_help().await;
    let names = variables(&help);
    assert!(names.len() > 12, "{names:?}");
    let mut faults = Vec::new();
    for name in names {
        let environment = Environment::of_worker(&database.worker_url()).set(name, wrong(name));
        let ended = environment.run_worker(&[]).await;
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        faults.extend(fault(name, &ended.stderr));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
