//! Everything behind PgBouncer in transaction mode, as `deploy/pgbouncer.ini` has it. Debian 12's is too old for it, so
//! this runs by `make test-pooler`, which builds one where it is needed.

use std::path::PathBuf;
use std::process::Command;

use tests::kit::{CONTACTS, Program, Stage};

use super::daemon::{Daemon, deploy};
use super::load::{Load, all_heard};

/// Fewer than the writers and readers at once, so that connections of the server are shared.
const SERVER_CONNECTIONS: u32 = 2;

async fn pgbouncer(stage: &Stage) -> Daemon {
    let program = std::env::var_os("PGBOUNCER").map(PathBuf::from);
    let program = program.expect("PGBOUNCER: run by `make test-pooler`");
    let settings = std::fs::read_to_string(deploy().join("pgbouncer.ini")).unwrap();
    let (password, server) = (stage.postgres.password(), stage.postgres.port());
    let users = ["crm_app", "crm_worker"].map(|role| format!("\"{role}\" \"{password}\"\n"));
    Daemon::start("pgbouncer", |folder, port| {
        let here = settings.replace("port=5432", &format!("port={server}"));
        assert_ne!(here, settings);
        // What comes later counts; the file ends in the section of settings.
        let here = format!(
            "{here}\nlisten_port = {port}\nauth_file = users.txt\nunix_socket_dir =\n\
             default_pool_size = {SERVER_CONNECTIONS}\n"
        );
        std::fs::write(folder.join("pgbouncer.ini"), here).unwrap();
        std::fs::write(folder.join("users.txt"), users.concat()).unwrap();
        let mut command = Command::new(&program);
        command.arg("pgbouncer.ini");
        command
    })
    .await
}

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(stage.admin()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer 1.21 or newer: make test-pooler"]
async fn behind_pgbouncer_by_transaction_everything_works_and_the_worker_still_listens() {
    let mut stage = Stage::start(&[]).await;
    stage.api.stop().await;
    stage.worker.stop().await;
    let bouncer = pgbouncer(&stage).await;
    let direct = |login: &str| stage.postgres.url("liaison", login);
    let pooled = |login: &str| {
        let from = format!(":{}/", stage.postgres.port());
        direct(login).replace(&from, &format!(":{}/", bouncer.port()))
    };
    let listens_at = direct("crm_worker");
    let around = [("DIRECT_DATABASE_URL", &*listens_at)];
    let (app_url, worker_url) = (pooled("crm_app"), pooled("crm_worker"));
    let (api, worker) =
        tokio::join!(Program::api(&app_url, &[]), Program::worker(&worker_url, &around));

    let caller = stage.caller.at(api.url());
    let load = Load::start(&caller);
    for _ in 0..5 {
        load.progress().await;
        let list =
            caller.request(reqwest::Method::GET, &format!("{CONTACTS}?pageSize=5")).send().await;
        assert_eq!(list.unwrap().status(), 200);
    }
    let contacts = load.end().await;
    all_heard(&stage.receiver, &contacts).await;

    let sessions = "select count(*) from pg_stat_activity where usename = 'crm_app'";
    let sessions = count(&stage, sessions).await;
    assert!(sessions <= i64::from(SERVER_CONNECTIONS), "{sessions} are not shared");
    let listening = "select count(*) from pg_stat_activity where query ilike 'listen %'";
    assert_eq!(count(&stage, listening).await, 1, "{}", worker.last_lines());
    let planned = "select count(*) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                   where r.rolname = 'crm_worker' and 'enable_seqscan=off' = any (s.setconfig)";
    assert_eq!(count(&stage, planned).await, 1, "a pooler drops what the worker asks for");
    for program in [&api, &worker] {
        let log = program.log();
        assert!(!log.contains("prepared statement"), "{}", program.last_lines());
    }
}
