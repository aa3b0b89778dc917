//! PostgreSQL's own load generator: what the database does for the same statements without us.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use super::script::Script;
use super::stage::Stage;
use crate::servers::{Result, target_dir};

/// How a script is run.
#[derive(Clone, Debug)]
pub struct PgBench {
    program: PathBuf,
    database: Url,
    script: PathBuf,
    variables: Vec<(String, String)>,
    clients: u32,
    runs: u64,
}

/// Serials left to each run, so that none writes an id that another has written.
const SERIALS_PER_RUN: u64 = 10_000_000;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub transactions: u32,
    pub per_second: f64,
}

impl PgBench {
    /// Prepares runs of a row's script with `clients` connections. The script stays in the folder `bench` of cargo's
    /// target folder, for whoever wants to see it.
    ///
    /// # Errors
    /// When the script cannot be written.
    pub fn new(row: &str, stage: &Stage, script: Script, clients: u32) -> Result<Self> {
        let folder = target_dir()?.join("bench");
        fs::create_dir_all(&folder)?;
        let file = folder.join(row).with_extension("sql");
        fs::write(&file, &script.text)?;
        let program = stage.postgres()?.bin().join("pgbench");
        let (database, variables) = (stage.app_url.clone(), script.variables);
        Ok(Self { program, database, script: file, variables, clients, runs: 0 })
    }

    /// Runs for whole seconds. The variable `serial` begins at another number each time.
    ///
    /// # Errors
    /// When pgbench or one of its transactions fails.
    pub async fn run(&mut self, length: Duration) -> Result<Run> {
        self.runs += 1;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .arg(format!("--client={}", self.clients))
            .arg(format!("--time={}", length.as_secs().max(1)))
            .arg(format!("--define=serial={}", self.runs * SERIALS_PER_RUN))
            .args(self.variables.iter().map(|(name, value)| format!("--define={name}={value}")))
            .arg("--file")
            .arg(&self.script)
            .env("PGHOST", self.database.host_str().unwrap_or_default())
            .env("PGPORT", self.database.port().unwrap_or(5432).to_string())
            .env("PGUSER", self.database.username())
            .env("PGPASSWORD", self.database.password().unwrap_or_default())
            .env("PGDATABASE", self.database.path().trim_start_matches('/'))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await?;
        let (report, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // A client that fails leaves the others running and the exit code alone on some versions.
        if !output.status.success() || complaint.contains("aborted") {
            return Err(format!(
                "pgbench {} ended with {}:\n{complaint}",
                self.script.display(),
                output.status
            )
            .into());
        }
        parse(&report).ok_or_else(|| format!("pgbench reported:\n{report}{complaint}").into())
    }
}

fn parse(report: &str) -> Option<Run> {
    let after = |name: &str| {
        let value = report.lines().find_map(|line| line.strip_prefix(name))?;
        value.split([' ', '/']).next()
    };
    Some(Run {
        transactions: after("number of transactions actually processed: ")?.parse().ok()?,
        per_second: after("tps = ")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_report() {
        let report = "scaling factor: 1\nnumber of transactions actually processed: 12345\n\
                      number of failed transactions: 0 (0.000%)\nlatency average = 3.1 ms\n\
                      tps = 1234.567890 (without initial connection time)\n";
        assert_eq!(parse(report), Some(Run { transactions: 12345, per_second: 1_234.567_89 }));
        assert_eq!(parse("pgbench: error"), None);
    }
}
