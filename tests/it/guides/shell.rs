//! Runs what a guide tells its reader to type, in a shell, against a product of its own.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use tests::kit::{Receiver, Tenant, TestApp};
use tokio::process::Command;
use worker::pipeline::Pipeline;

/// How `curl -m` ends on an answer that stays open.
const STAYED_OPEN: i32 = 28;
/// How often such an answer is asked for, on a machine so slow that it says nothing in time.
const TRIES: usize = 60;
/// How often a worker comes back to what must wait for others of the cluster: two minutes.
const ROUNDS: usize = 6_000;

/// A product, the two credentials that `make dev` hands out, and a shell that knows them.
pub struct Shell {
    app: TestApp,
    worker: Pipeline,
    variables: BTreeMap<String, String>,
}

impl Shell {
    /// Starts it, with `$API`, `$KEY`, `$TOKEN` and `$CATCHER`.
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
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { worker: app.worker(), app, variables }
    }

    /// What a variable holds.
    pub fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    /// Keeps a value for the commands that follow.
    pub fn keep(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    /// Runs commands and takes what they print. Then the worker does all there is to do, and a second passes.
    pub async fn run(&mut self, commands: &str) -> Result<String, String> {
        let mut output = self.output(commands).await?;
        for _ in 1..TRIES {
            if output.status.code() != Some(STAYED_OPEN) || !output.stdout.is_empty() {
                break;
            }
            output = self.output(commands).await?;
        }
        if !output.status.success() && output.status.code() != Some(STAYED_OPEN) {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} {told}\n{commands}", output.status));
        }
        self.settle().await;
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    async fn output(&self, commands: &str) -> Result<Output, String> {
        let mut shell = Command::new("sh");
        shell.args(["-euc", commands]).env_clear().envs(&self.variables).stdin(Stdio::null());
        shell.output().await.map_err(|error| format!("no shell: {error}"))
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
