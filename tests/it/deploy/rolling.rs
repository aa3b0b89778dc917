//! A new version goes out while callers go on: two apis and two workers behind the balancer of `deploy/haproxy.cfg`.

use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::kit::{Program, Stage};
use tests::servers::{Postgres, free_port};

use super::daemon::{Daemon, deploy};
use super::load::{Load, all_heard};

/// What a next release could bring, as `migrations/README.md` wants it: the version that runs knows nothing of it.
const NEXT: [&str; 2] = [
    "begin;
     set local lock_timeout = '2s';
     alter table contacts add column nickname text, add column stars integer not null default 0;
     create table nicknames (tenant_id uuid not null references tenants (id), id uuid not null, primary key (tenant_id, id));
     select protect_tenant_table('nicknames');
     insert into _sqlx_migrations (version, description, success, checksum, execution_time)
     values (9999, 'nicknames', true, '\\x00', 0);
     commit",
    "create index concurrently contacts_by_nickname on contacts (tenant_id, nickname)",
];

/// The balancer, with the product's own configuration.
struct Balancer {
    daemon: Daemon,
    operators: u16,
    http: reqwest::Client,
}

impl Balancer {
    async fn start(apis: [&Program; 2]) -> Self {
        let mut operators = 0;
        let text = std::fs::read_to_string(deploy().join("haproxy.cfg")).unwrap();
        let daemon = Daemon::start("haproxy", |folder, port| {
            operators = free_port().unwrap();
            // Under Debian's path, which is not everybody's.
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";
            let file = folder.join("haproxy.cfg");
            std::fs::write(&file, &text).unwrap();
            let mut command = Command::new("haproxy");
            command.env_clear().env("PATH", path).arg("-f").arg(file);
            command.env("LISTEN", format!("127.0.0.1:{port}"));
            command.env("ADMIN_LISTEN", format!("127.0.0.1:{operators}"));
            for (name, api) in ["A", "B"].into_iter().zip(apis) {
                let [tenants, operators] = api.ports();
                command.env(format!("API_{name}"), format!("127.0.0.1:{tenants}"));
                command.env(format!("API_{name}_ADMIN_PORT"), operators.to_string());
            }
            command
        })
        .await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let balancer = Self { daemon, operators, http };
        for api in ["a", "b"] {
            balancer.up(api).await;
        }
        balancer
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.daemon.port())
    }

    /// Waits until it sends requests to this api.
    async fn up(&self, api: &str) {
        let url = format!("http://127.0.0.1:{}/metrics", self.operators);
        let up = format!("haproxy_server_status{{proxy=\"apis\",server=\"{api}\",state=\"UP\"}} 1");
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let metrics = self.http.get(&url).send().await.unwrap().text().await.unwrap();
            if metrics.lines().any(|line| line == up) {
                return;
            }
            assert!(Instant::now() < deadline, "{api} is not up:\n{metrics}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn migrate(stage: &Stage) {
    let url = stage.postgres.url("liaison", Postgres::SUPERUSER);
    let mut session = PgConnection::connect(&url).await.unwrap();
    for sql in ["set role crm_owner"].into_iter().chain(NEXT) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    }
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_with_a_migration_under_load_fails_no_request_and_loses_no_event() {
    let variables = [("DRAIN_DELAY", "1s")];
    let mut stage = Stage::start(&variables).await;
    let url = |login| stage.postgres.url("liaison", login);
    let (app_url, worker_url) = (url("crm_app"), url("crm_worker"));
    let (mut api, mut worker) =
        tokio::join!(Program::api(&app_url, &variables), Program::worker(&worker_url, &variables));
    let balancer = Balancer::start([&stage.api, &api]).await;
    let load = Load::start(&stage.caller.at(balancer.url()));
    load.progress().await;

    migrate(&stage).await;
    load.progress().await;
    for (name, program) in [("a", &mut stage.api), ("b", &mut api)] {
        assert!(program.stop().await.success(), "{}", program.last_lines());
        load.progress().await;
        program.restart().await;
        balancer.up(name).await;
    }
    for program in [&mut stage.worker, &mut worker] {
        assert!(program.stop().await.success(), "{}", program.last_lines());
        load.progress().await;
        program.restart().await;
    }
    load.progress().await;

    let contacts = load.end().await;
    all_heard(&stage.receiver, &contacts).await;
}
