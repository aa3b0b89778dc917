//! The whole product, limited by nothing, for as long as another program works on it: `with-product`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use crate::bench::program::Program;
use crate::dev::database::Database;
use crate::dev::product::Binaries;
use crate::dev::settings::{Environment, url};
use crate::dev::tenants::{self, Tenant};
use crate::servers::{Redis, Result, free_port};

/// Counted, so that answers have all their headers, and never reached.
const PLENTY: &str = "1000000/1s";

/// Runs the command beside PostgreSQL, Redis, an api, a worker and two tenants. It finds them in `PRODUCT_URL`,
/// `PRODUCT_KEY` and `PRODUCT_TOKEN` (what may do everything in the first tenant) and `PRODUCT_OTHER_KEY`.
///
/// # Errors
/// When one of them does not start. A failure of the command is its status.
pub async fn run(command: &[String]) -> Result<ExitStatus> {
    let [program, arguments @ ..] = command else {
        return Err("usage: with-product COMMAND ARGUMENTS…".into());
    };
    let binaries = Binaries::find()?;
    let mut redis = Redis::start().await?;
    let database = Database::open(None).await?;
    let owner = [("MIGRATION_DATABASE_URL".into(), database.owner_url.to_string())];
    binaries.command(&["migrate"], &owner.into()).await?;
    let [app_url, worker_url] = database.log_in(["crm_app", "crm_worker"]).await?;
    let (listens, api_operators, worker_operators) = (loopback()?, loopback()?, loopback()?);

    let mut common = binaries.keys().await?;
    common.extend(differences(&redis.url()));
    let listening = [
        ("DATABASE_URL", app_url.to_string()),
        ("API_LISTEN", listens.to_string()),
        ("ADMIN_LISTEN", api_operators.to_string()),
        ("PUBLIC_URL", url(listens)),
    ];
    let api = with(&common, listening);
    let operators = ("ADMIN_LISTEN", worker_operators.to_string());
    let worker = with(&common, [("DATABASE_URL", worker_url.to_string()), operators]);
    let [acme, globex]: [Tenant; 2] = tenants::seed(&binaries, &api).await?;
    let api = Program::start("api", &binaries.api, &api, api_operators).await?;
    let worker = Program::start("worker", &binaries.worker, &worker, worker_operators).await?;

    let status = Command::new(program)
        .args(arguments)
        .env("PRODUCT_URL", url(listens))
        .env("PRODUCT_KEY", acme.api_key)
        .env("PRODUCT_TOKEN", acme.access_token)
        .env("PRODUCT_OTHER_KEY", globex.api_key)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    api.stop().await?;
    worker.stop().await?;
    redis.stop().await?;
    Ok(status)
}

/// What differs from the shipped configuration.
fn differences(redis: &str) -> Environment {
    let limits = ["LOGIN", "QR", "QR_POLL", "REFRESH", "WRITE", "READ"];
    let limits = limits.map(|class| (format!("RATE_LIMIT_{class}"), PLENTY.to_owned()));
    let others = [
        ("FLOOD_GUARD", "off"),
        ("DEMO_LOGIN", "true"),
        ("REDIS_URL", redis),
        ("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8"),
    ];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    limits.into_iter().chain(others).collect()
}

fn with<const N: usize>(common: &Environment, own: [(&str, String); N]) -> Environment {
    let mut all = common.clone();
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

fn loopback() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
