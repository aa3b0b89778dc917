//! The migrations: forward only, harmless to run again and at the same time.

use std::fs;
use std::path::Path;

use shared::db::DatabaseUrl;
use shared::db::migrate::{MIGRATOR, migrate};
use shared::settings::Value as _;
use tests::kit::Database;
use uuid::Uuid;

fn owner(database: &Database) -> DatabaseUrl {
    DatabaseUrl::parse(&database.admin_url()).unwrap()
}

/// When each migration ran, as the database remembers it.
async fn history(database: &Database) -> Vec<(i64, String)> {
    sqlx::query_as(
        "select version, installed_on::text from _sqlx_migrations where success order by version",
    )
    .fetch_all(database.admin())
    .await
    .unwrap()
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Database::empty().await;
    migrate(&owner(&database)).await.unwrap();
    let first = history(&database).await;
    assert_eq!(first.len(), MIGRATOR.iter().count());
    migrate(&owner(&database)).await.unwrap();
    assert_eq!(history(&database).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_one_database_from_several_places_at_once_works() {
    let database = Database::empty().await;
    let url = owner(&database);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { migrate(&url).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(history(&database).await.len(), MIGRATOR.iter().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_several_databases_of_one_cluster_at_once_works() {
    let databases = [Database::empty().await, Database::empty().await, Database::empty().await];
    let tasks: Vec<_> = databases
        .iter()
        .map(|database| {
            let url = owner(database);
            tokio::spawn(async move { migrate(&url).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[test]
fn migrations_are_numbered_without_a_gap_and_have_no_way_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (at, name) in names.iter().enumerate() {
        let rest = name.strip_prefix(&format!("{:04}_", at + 1));
        let word = rest.and_then(|rest| rest.strip_suffix(".sql")).unwrap_or_default();
        let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(plain, "{name} is not called {:04}_name.sql", at + 1);
    }
    assert_eq!(
        names.len(),
        MIGRATOR.iter().count(),
        "the binary holds other migrations than the folder"
    );
}

async fn delivery_id(database: &Database, event: Uuid, webhook: Uuid) -> Uuid {
    sqlx::query_scalar("select delivery_id($1, $2)")
        .bind(event)
        .bind(webhook)
        .fetch_one(database.admin())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_delivery_has_the_same_id_however_often_its_event_is_relayed_and_no_other_has_it() {
    let database = Database::migrated().await;
    let now = tests::kit::START.parse().unwrap();
    let (events, webhooks) =
        ([(); 20].map(|()| shared::id::fresh(now)), [(); 20].map(|()| shared::id::fresh(now)));
    let mut ids = Vec::new();
    for event in events {
        for webhook in webhooks {
            let id = delivery_id(&database, event, webhook).await;
            assert_eq!(id, delivery_id(&database, event, webhook).await);
            ids.push(id);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len() * webhooks.len());
}

#[tokio::test]
async fn a_delivery_id_is_a_uuid_of_version_8_that_begins_with_the_time_of_its_event() {
    let database = Database::migrated().await;
    for _ in 0..50 {
        let event = shared::id::fresh(tests::kit::START.parse().unwrap());
        let id = delivery_id(&database, event, Uuid::from_u128(rand::random())).await;
        assert_eq!(id.get_version_num(), 8, "{id}");
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122, "{id}");
        assert_eq!(id.as_bytes()[..6], event.as_bytes()[..6], "{id} of {event}");
    }
}
