//! What the figures were taken on.

use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;
use sqlx::PgConnection;

use crate::servers::Result;

/// The machine and who shared it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub memory_gib: f64,
    pub cpu: String,
    pub postgres: String,
    pub load_generator: &'static str,
    pub note: String,
}

/// What calls and what receives, for the report.
const LOAD_GENERATOR: &str = "own: tokio tasks with one kept-alive TCP connection each and a minimal HTTP/1.1 parser, \
                              in one process with the receivers, on the same cores as everything else";

impl Machine {
    /// Asks the system and the server.
    ///
    /// # Errors
    /// When one of them does not say.
    pub async fn look(session: &mut PgConnection) -> Result<Self> {
        let postgres = sqlx::query_scalar("show server_version").fetch_one(session).await?;
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or_default();
        let kib: u32 = memory.trim_end_matches(" kB").parse()?;
        let cpu = field(&fs::read_to_string("/proc/cpuinfo")?, "model name");
        Ok(Self {
            cores: available_parallelism()?.get(),
            memory_gib: (f64::from(kib) / 1_048_576.0 * 10.0).round() / 10.0,
            cpu: cpu.unwrap_or_else(|| "unknown".into()),
            postgres,
            load_generator: LOAD_GENERATOR,
            note: String::new(),
        })
    }
}

/// How many processes wanted a core, on average over the last minute.
pub fn load_average() -> String {
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split_whitespace().next().unwrap_or("unknown").to_owned()
}
