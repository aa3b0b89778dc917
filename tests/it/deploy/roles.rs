//! `deploy/roles.sql` where nobody is a superuser, as on managed PostgreSQL.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::kit::Program;
use tests::servers::{Options, Postgres};

use crate::boot::process::Environment;

async fn run(url: &str, statements: &[&str]) {
    let mut session = PgConnection::connect(url).await.unwrap();
    for sql in statements {
        let done = sqlx::raw_sql(AssertSqlSafe(*sql)).execute(&mut session).await;
        assert!(done.is_ok(), "{sql}: {done:?}");
    }
    session.close().await.unwrap();
}

/// What the guide says for a provider's administrator: it owns the database and may create roles, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_createrole_that_owns_the_database_is_enough_to_deploy() {
    let postgres = Postgres::start(Options::TEST).await.unwrap();
    let password = postgres.password();
    let login = |name: &str| format!("create role {name} login password '{password}'");
    let master = format!("{} createrole createdb nosuperuser", login("master"));
    run(&postgres.admin_url(), &[&master, "create database liaison owner master"]).await;

    let by_master = postgres.url("liaison", "master");
    let roles = include_str!("../../../deploy/roles.sql");
    let migrator = login("crm_migrator");
    let app = format!("alter role crm_app password '{password}'");
    let worker = format!("alter role crm_worker password '{password}'");
    run(&by_master, &[roles, &app, &worker, &migrator, "grant crm_owner to crm_migrator"]).await;
    run(&by_master, &[roles]).await;
    let by_migrator = postgres.url("liaison", "crm_migrator");
    let migrated = Environment::empty().set("MIGRATION_DATABASE_URL", by_migrator);
    let said = migrated.run(&["migrate"]).await.success();
    assert!(said.contains("up to date"), "{said}");

    let api = Program::api(&postgres.url("liaison", "crm_app"), &[]).await;
    let worker = Program::worker(&postgres.url("liaison", "crm_worker"), &[]).await;
    drop((api, worker));
}
