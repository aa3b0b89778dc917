//! Sets the product up, step by step.

use std::time::Instant;

use reqwest::Client;

use super::catcher::Catcher;
use super::database::Database;
use super::main_job::{self, Done};
use super::product::{Binaries, Environments};
use super::program::Program;
use super::report::{DevFile, Env, Pids};
use super::say::say;
use super::settings::{Environment, Settings, url};
use super::{Folder, tenants};
use crate::servers::Result;

/// Everything that runs, in the order in which it stops when dropped.
pub struct Stage {
    pub api: Program,
    pub worker: Program,
    pub catcher: Catcher,
    pub database: Database,
    pub file: DevFile,
    pub done: Option<Done>,
}

impl Stage {
    /// Starts everything and does the main job once.
    ///
    /// # Errors
    /// At the first step that fails; what runs by then is stopped.
    pub async fn set(settings: &Settings, folder: &Folder) -> Result<Self> {
        let binaries = Binaries::find()?;
        let client = Client::builder().no_proxy().build()?;
        let mut steps = Steps { number: 0 };

        let database = steps.take("PostgreSQL", open(settings)).await?;
        let environments = steps.take("schema", migrate(settings, &binaries, &database)).await?;
        let seeding = async {
            let tenants =
                tenants::seed(&binaries, &with_owner(&environments.api, &database)).await?;
            let names = tenants.each_ref().map(|tenant| tenant.name.as_str()).join(" and ");
            Ok((tenants, names))
        };
        let tenants = steps.take("demo tenants", seeding).await?;
        let catching = async {
            let catcher = Catcher::start(settings.catcher).await?;
            let detail = catcher.url().to_owned();
            Ok((catcher, detail))
        };
        let catcher = steps.take("webhook catcher", catching).await?;

        let (api_url, admin_url) = (url(settings.api), url(settings.admin));
        let worker_admin_url = url(settings.worker_admin);
        let Environments { api: api_env, worker: worker_env } = environments;
        let api = Program::start("api", binaries.api, api_env.clone(), &admin_url, &client, folder);
        let api = steps.take("api", ready(api, &api_url)).await?;
        let env = worker_env.clone();
        let worker =
            Program::start("worker", binaries.worker, env, &worker_admin_url, &client, folder);
        let worker = steps.take("worker", ready(worker, &worker_admin_url)).await?;

        let key = &tenants[0].api_key;
        let job = async {
            match main_job::run(&client, &api_url, key, &catcher).await {
                Ok(done) => {
                    let summary = done.summary.clone();
                    Ok((Some(done), summary))
                }
                Err(error) if settings.moves_network_guard() => {
                    Ok((None, format!("skipped, WEBHOOK_ALLOW_… shuts the catcher out: {error}")))
                }
                Err(error) => Err(error),
            }
        };
        let done = steps.take("main job", job).await?;

        let file = DevFile {
            api_url,
            admin_url,
            worker_admin_url,
            database_url: database.owner_url.to_string(),
            catcher_url: catcher.url().to_owned(),
            tenants,
            pids: Pids {
                api: api.pid(),
                worker: worker.pid(),
                postgres: database.server.as_ref().and_then(crate::servers::Postgres::pid),
            },
            env: Env { api: api_env, worker: worker_env },
        };
        Ok(Self { api, worker, catcher, database, file, done })
    }
}

async fn open(settings: &Settings) -> Result<(Database, String)> {
    let database = Database::open(settings.database.as_ref()).await?;
    let detail = match &database.server {
        Some(server) => format!("ready on port {}", server.port()),
        None => "given by DATABASE_URL".into(),
    };
    Ok((database, detail))
}

async fn migrate(
    settings: &Settings,
    binaries: &Binaries,
    database: &Database,
) -> Result<(Environments, String)> {
    binaries.command(&["migrate"], &with_owner(&Environment::new(), database)).await?;
    let urls = database.log_in(["crm_app", "crm_worker"]).await?;
    let environments = Environments::new(settings, binaries.keys().await?, &urls);
    Ok((environments, "migrated; crm_app and crm_worker have fresh passwords".into()))
}

/// The environment of a command that may need the database's owner.
fn with_owner(environment: &Environment, database: &Database) -> Environment {
    let mut environment = environment.clone();
    environment.insert("MIGRATION_DATABASE_URL".into(), database.owner_url.to_string());
    environment
}

async fn ready(
    start: impl Future<Output = Result<Program>>,
    url: &str,
) -> Result<(Program, String)> {
    let program = start.await?;
    Ok((program, format!("ready on {url}")))
}

/// Prints how far we are.
struct Steps {
    number: usize,
}

impl Steps {
    const ALL: usize = 7;

    /// Does the next step, which returns its result and what to say about it.
    async fn take<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<(T, String)>>,
    ) -> Result<T> {
        self.number += 1;
        say(format!("[{}/{}] {name} … ", self.number, Self::ALL));
        let started = Instant::now();
        let (result, detail) = work.await.inspect_err(|_| say("failed\n"))?;
        say(format!("{detail} ({:.1} s)\n", started.elapsed().as_secs_f32()));
        Ok(result)
    }
}
