//! `deploy/make-secrets.sh` and `deploy/make-roles.sh` where nobody is a superuser, as on managed PostgreSQL.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::kit::Program;
use tests::servers::{Folder, Options, Postgres};
use tokio::process::Command;

use super::daemon::deploy;
use crate::boot::process::Environment;

/// Runs one of the scripts as a provider's administrator: it owns the database and may create roles, and no more.
async fn script(postgres: &Postgres, name: &str, arguments: &[&str]) -> Result<(), String> {
    let path = format!("{}:/usr/bin:/bin", postgres.bin().display());
    let mut command = Command::new("sh");
    command.arg(deploy().join(name)).args(arguments).env("PATH", path);
    let output = command.env("PGPASSWORD", postgres.password()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// The api's variables, each the name of its file.
fn files(secrets: &Path) -> Environment {
    let names = [
        ("DATABASE_URL_FILE", "api-database-url"),
        ("API_KEY_PEPPER_FILE", "api-key-pepper"),
        ("JWT_KEYS_FILE", "jwt-keys"),
        ("SECRET_KEYS_FILE", "secret-keys"),
        ("MIGRATION_DATABASE_URL_FILE", "migration-database-url"),
    ];
    let set = |all: Environment, (variable, file)| {
        all.set(variable, secrets.join(file).to_str().unwrap())
    };
    names.into_iter().fold(Environment::empty(), set)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_createrole_that_owns_the_database_is_enough_to_deploy() {
    let postgres = Postgres::start(Options::TEST).await.unwrap();
    let mut session = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    for sql in [
        &*format!(
            "create role master login nosuperuser createrole createdb password '{}'",
            postgres.password()
        ),
        "create database liaison owner master",
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    }
    let folder = Folder::claim("secrets", None).unwrap();
    let secrets = folder.path().to_str().unwrap();
    let (port, host) = (postgres.port().to_string(), format!("127.0.0.1:{}", postgres.port()));
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    script(&postgres, "make-secrets.sh", &[secrets, &format!("{host}/liaison")]).await.unwrap();
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700, "shut");
    let made = fs::read_to_string(folder.path().join("jwt-keys")).unwrap();
    script(&postgres, "make-secrets.sh", &[secrets]).await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("jwt-keys")).unwrap(), made, "kept");
    let database = [secrets, "-h", "127.0.0.1", "-p", &port, "-U", "master", "-d", "liaison"];
    for _ in ["once", "harmless again"] {
        script(&postgres, "make-roles.sh", &database).await.unwrap();
    }

    let environment = files(folder.path());
    let said = environment.run(&["migrate"]).await.success();
    assert!(said.contains("up to date"), "{said}");
    let said = environment.run(&["doctor"]).await.success();
    assert!(said.contains("ok       rights"), "{said}");
    let worker_url = fs::read_to_string(folder.path().join("worker-database-url")).unwrap();
    drop(Program::worker(worker_url.trim(), &[]).await);

    fs::remove_file(folder.path().join("jwt-keys")).unwrap();
    let refused = environment.run(&["serve"]).await;
    refused.refused(&["JWT_KEYS_FILE is not valid: the file that it names cannot be read"]);

    let address = folder.path().join("api-database-url");
    for wrong in ["postgres://crm_app@h/liaison", "postgres://crm_app:p%40ss@h/d", "a'; select 1"] {
        fs::remove_file(&address).unwrap();
        fs::write(&address, wrong).unwrap();
        let said = script(&postgres, "make-roles.sh", &database).await.unwrap_err();
        assert!(said.contains("api-database-url: write postgres://"), "{wrong}: {said}");
    }
}
