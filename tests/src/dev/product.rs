//! The api and the worker as an operator sees them: two programs with an environment.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use url::Url;

use super::settings::{Environment, Settings, url};
use crate::servers::Result;

/// The built programs, beside this one.
pub struct Binaries {
    pub api: PathBuf,
    pub worker: PathBuf,
}

impl Binaries {
    /// Finds the programs.
    ///
    /// # Errors
    /// When they are not built.
    pub fn find() -> Result<Self> {
        let folder = env::current_exe()?.with_file_name("");
        let binaries = Self { api: folder.join("api"), worker: folder.join("worker") };
        for program in [&binaries.api, &binaries.worker] {
            if !program.is_file() {
                let message =
                    format!("{} is missing: cargo build --workspace --bins", program.display());
                return Err(message.into());
            }
        }
        Ok(binaries)
    }

    /// Runs one of the api's commands and returns what it prints.
    ///
    /// # Errors
    /// When it fails; the message is its own.
    pub async fn command(&self, arguments: &[&str], environment: &Environment) -> Result<String> {
        let mut command = Command::new(&self.api);
        command.args(arguments).envs(environment);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("api {} failed ({}):\n{complaint}", arguments.join(" "), output.status).into())
    }

    /// Fresh random keys; those of dev's own environment stay.
    ///
    /// # Errors
    /// When the command fails or prints something else.
    pub async fn keys(&self) -> Result<Environment> {
        let printed = self.command(&["admin", "keys"], &Environment::new()).await?;
        let keys = printed.lines().map(|line| line.split_once('='));
        let keys: Option<Environment> =
            keys.map(|pair| pair.map(|(name, value)| (name.into(), value.into()))).collect();
        keys.ok_or_else(|| format!("api admin keys printed no NAME=value:\n{printed}").into())
    }
}

/// The environments of the two programs.
pub struct Environments {
    pub api: Environment,
    pub worker: Environment,
}

impl Environments {
    /// Puts together what each program needs; `keys` give way to dev's own environment.
    pub fn new(settings: &Settings, keys: Environment, [api_db, worker_db]: &[Url; 2]) -> Self {
        let mut common = keys;
        common.extend(settings.product.clone());
        // A secret of dev's own environment that is in a file takes the place of the one made for it.
        let in_file = |name: &String| {
            env::var_os(format!("{name}_FILE")).is_some_and(|file| !file.is_empty())
        };
        common.retain(|name, _| !in_file(name));
        let mut worker = common.clone();
        // The worker needs only the key that unseals webhook secrets.
        let unsealing = |name: &str| !matches!(name, "JWT_KEYS" | "API_KEY_PEPPER");
        worker.retain(|name, _| unsealing(name.strip_suffix("_FILE").unwrap_or(name)));
        worker.insert("DATABASE_URL".into(), worker_db.to_string());
        worker.insert("ADMIN_LISTEN".into(), settings.worker_admin.to_string());
        let mut api = common;
        api.insert("DATABASE_URL".into(), api_db.to_string());
        api.insert("API_LISTEN".into(), settings.api.to_string());
        api.insert("ADMIN_LISTEN".into(), settings.admin.to_string());
        api.entry("PUBLIC_URL".into()).or_insert_with(|| url(settings.api));
        Self { api, worker }
    }
}
