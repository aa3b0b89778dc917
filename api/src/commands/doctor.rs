//! `api doctor`: everything that must hold and that an operator should know, each finding on a line of its own.

use std::time::Duration;

use clap::Args;
use redis::InfoDict;
use shared::db::check::doctor::{self, Diagnosis, Level};
use shared::db::{DatabaseUrl, Db, DbConfig};
use shared::settings::{Count, Faults, Settings, Value};
use shared::{Clock, RedisUrl};

use super::admin::OWNER;
use super::out::say;
use super::{CommandResult, Ended};
use crate::config::Config;

/// Redis answers within this, or is away.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How it is told.
#[derive(Args)]
#[command(
    after_help = "Example:\n  api doctor --strict\n\nExit codes: 0 no fault; 1 a fault; 3 no fault, a warning, and --strict.\n\
    With MIGRATION_DATABASE_URL it also sees how old the queue is, with REDIS_URL how Redis is."
)]
pub(crate) struct Doctor {
    /// End with code 3 when there is a warning
    #[arg(long)]
    strict: bool,
    /// Print JSON: a list of {what, level, said}
    #[arg(long)]
    json: bool,
}

/// Looks at everything, and prints what was found.
pub(crate) async fn run(Doctor { strict, json }: Doctor) -> CommandResult {
    let found = look().await;
    if json {
        say(&serde_json::to_string(&found)?)?;
    } else {
        for Diagnosis { what, level, said } in &found {
            let colon = if said.is_empty() { "" } else { ": " };
            say(&format!("{level:8} {what}{colon}{said}"))?;
        }
    }
    match found.iter().map(|one| one.level).max() {
        Some(Level::Fault) => Err("there are faults".into()),
        Some(Level::Warning) if strict => Err(Ended(3, "there are warnings, and --strict").into()),
        _ => Ok(()),
    }
}

async fn look() -> Vec<Diagnosis> {
    let mut found = match Config::from_env() {
        Ok(_) => vec![Diagnosis::new("configuration", Level::Ok, "every variable reads")],
        Err(Faults(faults)) => faults
            .into_iter()
            .map(|fault| Diagnosis::new("configuration", Level::Fault, fault))
            .collect(),
    };
    let mut settings = Settings::from_env();
    let owner = settings.optional::<DatabaseUrl>("MIGRATION_DATABASE_URL", OWNER);
    let owner = settings.finish(owner).unwrap_or_else(|Faults(faults)| {
        let faults = faults.into_iter();
        found.extend(faults.map(|fault| Diagnosis::new("configuration", Level::Fault, fault)));
        None
    });
    let clock = Clock::system();
    if let Some(url) = variable::<DatabaseUrl>("DATABASE_URL") {
        let pool = variable::<Count>("DATABASE_CONNECTIONS").map_or(16, |count| count.0);
        match doctor::look(&url, pool, &clock).await {
            Ok(more) => found.extend(more),
            Err(error) => {
                let said = super::unreachable("DATABASE_URL", &error);
                found.push(Diagnosis::new("database", Level::Fault, said));
            }
        }
    }
    found.push(queue(owner, clock).await);
    found.push(match variable::<RedisUrl>("REDIS_URL") {
        Some(url) => redis(&url).await,
        None => Diagnosis::new(
            "Redis",
            Level::Skipped,
            "REDIS_URL is not set: each api counts by itself",
        ),
    });
    found
}

async fn queue(owner: Option<DatabaseUrl>, clock: Clock) -> Diagnosis {
    let Some(url) = owner else {
        return Diagnosis::new(
            "queue",
            Level::Skipped,
            "set MIGRATION_DATABASE_URL to see its age",
        );
    };
    match url.connect().await {
        Ok(_) => doctor::waiting(&Db::new(&DbConfig::owner(url), clock)).await,
        Err(error) => {
            let said = super::unreachable("MIGRATION_DATABASE_URL", &error);
            Diagnosis::new("queue", Level::Fault, said)
        }
    }
}

/// A variable by itself, whatever the others are; what is wrong with it was told already.
fn variable<T: Value>(name: &str) -> Option<T> {
    Settings::from_env().optional(name, "").flatten()
}

async fn redis(url: &RedisUrl) -> Diagnosis {
    let asked = tokio::time::timeout(TIMEOUT, info(url)).await;
    let away = |error: &str| {
        let said = format!("REDIS_URL: {error}: each api counts by itself meanwhile");
        Diagnosis::new("Redis", Level::Warning, said)
    };
    match asked {
        Err(_) => away("no answer within 2 s"),
        Ok(Err(error)) => away(&error.to_string()),
        Ok(Ok(info)) => judged(&info),
    }
}

async fn info(url: &RedisUrl) -> redis::RedisResult<InfoDict> {
    let mut conn = redis::Client::open(url.expose())?.get_multiplexed_async_connection().await?;
    redis::cmd("INFO").query_async(&mut conn).await
}

/// What its own account of itself says.
fn judged(info: &InfoDict) -> Diagnosis {
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let version = text("redis_version");
    let (policy, most) = (text("maxmemory_policy"), text("maxmemory"));
    let old = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major < 5);
    let said = format!("version {version}, maxmemory {most}, {policy}");
    if old {
        Diagnosis::new("Redis", Level::Warning, format!("{said}: 5 or newer is needed"))
    } else if policy == "noeviction" && most != "0" {
        let advice = "when it is full it takes no more counts; set maxmemory-policy allkeys-lru";
        Diagnosis::new("Redis", Level::Warning, format!("{said}: {advice}"))
    } else {
        Diagnosis::new("Redis", Level::Ok, said)
    }
}
