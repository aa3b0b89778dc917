//! A product beside which the examples of the reference are run, and a shell that has the credentials which `make dev`
//! hands out.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use tests::kit::{Receiver, Tenant, TestApp};
use worker::steps::Steps;

use super::shell::{Failure, Shell};

/// How `curl -m` ends on an answer that stays open.
const STAYED_OPEN: i32 = 28;
/// How often such an answer is asked for, on a machine so slow that it says nothing in time.
const TRIES: usize = 60;
/// How often a worker comes back to what must wait for others of the cluster: two minutes.
const ROUNDS: usize = 6_000;

/// See the module.
pub struct Product {
    app: TestApp,
    worker: Steps,
    /// It knows `$API`, `$KEY`, `$TOKEN` and `$CATCHER`.
    pub shell: Shell,
}

impl Product {
    /// Starts it.
    pub async fn start() -> Self {
        let app = TestApp::configured(|config| config.demo_login = true).await;
        app.demo("demo").await;
        let tenant = app.tenant("Acme").await;
        let owner: Tenant = tenant.as_user(tenant.owner).await;
        let receiver = Receiver::start().await;
        let catcher = receiver.url().trim_end_matches("/hook").to_owned();
        let variables = [
            ("API", app.url("")),
            ("KEY", tenant.key().to_owned()),
            ("TOKEN", owner.key().to_owned()),
            ("CATCHER", catcher),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ];
        // What a tenant has from its creation is a second older than what the examples make.
        app.advance(TimeDelta::seconds(1));
        Self { worker: app.worker(), app, shell: Shell::new(variables, Path::new(".")) }
    }

    /// Runs commands and takes what they print. Then the worker does all there is to do, and a second passes.
    pub async fn run(&mut self, commands: &str) -> Result<String, Failure> {
        let mut ended = self.shell.run(commands).await;
        for _ in 1..TRIES {
            if !matches!(&ended, Err(silent) if is_open(silent) && silent.printed.is_empty()) {
                break;
            }
            ended = self.shell.run(commands).await;
        }
        let printed = match ended {
            Err(open) if is_open(&open) => open.printed,
            ended => ended?,
        };
        self.settle().await;
        Ok(printed)
    }

    async fn settle(&mut self) {
        self.worker.import().await.unwrap();
        self.worker.drain().await.unwrap();
        self.app.advance(TimeDelta::seconds(1));
        for _ in 0..ROUNDS {
            self.worker.erase().await.unwrap();
            if self.erased().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.app.advance(TimeDelta::seconds(1));
        }
    }

    async fn erased(&self) -> bool {
        sqlx::query_scalar("select not exists (select from erasures where finished_at is null)")
            .fetch_one(self.app.database.admin())
            .await
            .unwrap()
    }
}

fn is_open(failure: &Failure) -> bool {
    failure.code == Some(STAYED_OPEN)
}
