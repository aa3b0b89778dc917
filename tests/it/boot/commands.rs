//! `api doctor`, `api migrate`, `api openapi`, `api admin` and `api --help`.

use serde_json::Value;
use tests::kit::Database;

use super::process::Environment;

#[tokio::test]
async fn the_doctor_finds_nothing_on_a_healthy_database() {
    let database = Database::migrated().await;
    let said = Environment::of(&database).run(&["doctor"]).await.success();
    assert!(
        said.lines().count() >= 4 && said.lines().all(|line| line.starts_with("ok ")),
        "{said}"
    );
}

#[tokio::test]
async fn the_doctor_tells_every_fault_at_once() {
    let database = Database::migrated().await;
    database.execute("alter table contacts no force row level security").await;
    let ended = Environment::with_url(&database.admin_url()).run(&["doctor"]).await;
    for fault in ["FAULT database login: ", "FAULT tenant tables: "] {
        assert!(ended.stdout.contains(fault), "{ended:?}");
    }
    ended.refused(&["refusing to serve"]);
}

#[tokio::test]
async fn migrating_twice_leaves_a_database_that_the_doctor_likes() {
    let _logins_have_passwords = Database::migrated().await;
    let database = Database::empty().await;
    let owner = Environment::empty().set("MIGRATION_DATABASE_URL", database.admin_url());
    for _ in 0..2 {
        let said = owner.run(&["migrate"]).await.success();
        assert!(said.contains("the schema is up to date"), "{said}");
    }
    Environment::of(&database).run(&["doctor"]).await.success();
}

#[tokio::test]
async fn a_login_without_rights_cannot_migrate_and_is_told_why() {
    let _logins_have_passwords = Database::migrated().await;
    let database = Database::empty().await;
    let as_owner = Environment::empty().set("MIGRATION_DATABASE_URL", database.admin_url());
    let as_app = Environment::empty().set("MIGRATION_DATABASE_URL", database.app_url());
    as_app.run(&["migrate"]).await.refused(&["run deploy/roles.sql as a superuser first"]);
    as_owner.run(&["migrate"]).await.success();
    as_app.run(&["migrate"]).await.refused(&["this login may not act as crm_owner"]);
    Environment::empty().run(&["migrate"]).await.refused(&["MIGRATION_DATABASE_URL is not set"]);
}

#[tokio::test]
async fn the_openapi_document_is_printed_without_any_configuration() {
    let said = Environment::empty().run(&["openapi"]).await.success();
    let document: Value = serde_json::from_str(&said).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/connection/contacts"), "{:?}", paths.keys());
}

#[tokio::test]
async fn printed_keys_are_accepted_and_never_the_same() {
    let said = Environment::empty().run(&["admin", "keys"]).await.success();
    assert_ne!(said, Environment::empty().run(&["admin", "keys"]).await.success());
    let database = Database::migrated().await;
    let mut environment = Environment::of(&database);
    for line in said.lines() {
        let (name, value) = line.split_once('=').unwrap();
        let known = ["JWT_KEYS", "API_KEY_PEPPER", "SECRET_KEYS"];
        environment =
            environment.set(known.into_iter().find(|known| *known == name).expect(name), value);
    }
    environment.run(&["doctor"]).await.success();
}

#[tokio::test]
async fn help_explains_every_variable_that_the_api_reads() {
    let help = Environment::empty().run(&["--help"]).await.success();
    let read = crate::architecture::variables(&["api/src", "shared/src"]);
    assert!(read.len() >= 12, "{read:?}");
    let explained =
        |name: &String| help.lines().any(|line| line.trim().starts_with(&format!("{name}  [")));
    let missing: Vec<_> = read.iter().filter(|name| !explained(name)).collect();
    assert!(missing.is_empty(), "{missing:?} in\n{help}");
}

#[tokio::test]
async fn a_wrong_command_is_refused_with_its_usage() {
    let ended = Environment::empty().run(&["explode"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("Usage: api"), "{ended:?}");
}
