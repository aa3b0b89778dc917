//! `api doctor`, `api migrate`, `api openapi`, `api admin` and `api --help`.

use api::limit::{Class, Limit, LimitConfig};
use serde_json::{Value, json};
use shared::settings::Value as _;
use tests::kit::{CONTACTS, Database, TestApp};
use uuid::Uuid;

use super::process::Environment;

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
async fn a_tenant_and_a_key_get_limits_of_their_own_and_lose_them_again() {
    let app = TestApp::configured(|config| {
        let rate = Limit::parse("100/15m").unwrap();
        config.limits = LimitConfig::off().with(Class::Read, rate);
    })
    .await;
    let acme = app.tenant("acme").await;
    let (tenant, key) = (acme.id.to_string(), Uuid::nil().to_string());
    let first: Uuid = sqlx::query_scalar("select id from api_keys")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    let environment = Environment::of(&app.database);
    let limits = async |more: &[&str]| {
        let arguments = ["admin", "tenant", "limits", "--class", "read"];
        environment.run(&[&arguments, more].concat()).await
    };
    let quota = async || acme.get(CONTACTS).await.header("x-ratelimit-limit").to_owned();

    let said = limits(&["--tenant", &tenant, "--limit", "1000/60s"]).await.success();
    assert_eq!((&*said, &*quota().await), ("read 1000/1m\n", "1000"));
    let entry = &acme.get("/api/v1/audit-log?action=tenant.limits_updated").await.page().items[0];
    assert_eq!(
        (&entry["actor"]["type"], &entry["before"], &entry["after"]),
        (&json!("system"), &json!({"rateLimits": {}}), &json!({"rateLimits": {"read": "1000/1m"}})),
    );
    let own = ["--tenant", &tenant, "--key", &first.to_string(), "--limit", "7/1m"];
    limits(&own).await.success();
    assert_eq!(quota().await, "7");
    let none = ["--tenant", &tenant, "--key", &first.to_string(), "--limit", "default"];
    assert_eq!(limits(&none).await.success(), "read default\n");
    assert_eq!(quota().await, "1000");
    limits(&["--tenant", &tenant, "--limit", "default"]).await.success();
    assert_eq!(quota().await, "100");

    limits(&["--tenant", &key, "--limit", "7/1m"]).await.refused(&["no such tenant"]);
    let strange = ["--tenant", &tenant, "--key", &key, "--limit", "7/1m"];
    limits(&strange).await.refused(&["no such key in this tenant"]);
    let wrong = limits(&["--tenant", &tenant, "--limit", "many"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("such as 100/15m, or off, or default"), "{wrong:?}");
    let wrong = environment.run(&["admin", "tenant", "limits", "--class", "sleep"]).await;
    assert!(wrong.stderr.contains("one of login, qr, qr_poll"), "{wrong:?}");
    for (class, limit, said) in [
        ("qr", "7/1m", Some("qr counts users, and a key is none")),
        ("refresh", "7/1m", Some("refresh counts before anybody is known")),
        ("refresh", "default", None),
    ] {
        let arguments = ["admin", "tenant", "limits", "--tenant", &tenant, "--class", class];
        let more: &[&str] = if class == "qr" { &["--key", &key] } else { &[] };
        let ended = environment.run(&[&arguments, more, &["--limit", limit][..]].concat()).await;
        let _said = match said {
            Some(said) => ended.refused(&[said]),
            None => ended.success(),
        };
    }
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
