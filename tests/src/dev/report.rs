//! What a developer and scripts learn about the running product.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::main_job::Done;
use super::settings::Environment;
use super::tenants::Tenant;

/// The content of `target/dev.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevFile {
    pub api_url: String,
    pub admin_url: String,
    pub worker_admin_url: String,
    /// For the database's owner.
    pub database_url: String,
    pub catcher_url: String,
    pub tenants: [Tenant; 2],
    pub pids: Pids,
    /// Enough to start another api or worker by hand.
    pub env: Env,
}

/// The running processes; `null` while one is down. A given database has no process here.
#[derive(Serialize, Clone, Copy, Default)]
pub struct Pids {
    pub api: Option<u32>,
    pub worker: Option<u32>,
    pub postgres: Option<u32>,
}

/// The environments of the programs.
#[derive(Serialize)]
pub struct Env {
    pub api: Environment,
    pub worker: Environment,
}

impl DevFile {
    /// Writes the file for its owner only: it holds keys. A reader sees the old one or the new one, never half.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        remove(&new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(new, path)
    }

    /// What the developer reads when everything runs.
    pub fn text(&self, done: Option<&Done>, folder: &Path) -> String {
        let Self { api_url, admin_url, worker_admin_url, database_url, catcher_url, .. } = self;
        let tenants = self.tenants.each_ref().map(|tenant| {
            let Tenant { id, name, api_key, .. } = tenant;
            format!("  {name:<8}  {id}  {api_key}\n")
        });
        format!(
            "\nLiaison runs.\n\n\
             \x20 api       {api_url}\n\
             \x20 admin     {admin_url} and {worker_admin_url} (/healthz /readyz /metrics)\n\
             \x20 webhooks  {catcher_url} shows what arrives at any of its paths\n\
             \x20 database  {database_url}\n\
             \x20 logs      {folder}/api.log, {folder}/worker.log\n\
             \x20 all this  target/dev.json\n\n\
             {tenants}\n\
             Try it as {tenant}:\n\n\
             {lines}\n\
             Ctrl-C stops everything.\n\n",
            folder = folder.display(),
            tenants = tenants.concat(),
            tenant = self.tenants[0].name,
            lines = self.curl_lines(done).concat(),
        )
    }

    /// Five things to try. Without `done` the ids are left to the reader.
    fn curl_lines(&self, done: Option<&Done>) -> [String; 5] {
        let contact = done.map_or("CONTACT_ID", |done| &done.contact);
        let webhook = done.map_or("WEBHOOK_ID", |done| &done.webhook);
        let contacts = format!("{}/api/v1/connection/contacts", self.api_url);
        let webhooks = format!("{}/api/v1/webhooks", self.api_url);
        let key = format!("-H 'X-API-Key: {}'", self.tenants[0].api_key);
        let json = "-H 'Content-Type: application/json'";
        let new_contact = r#"{"name":"Grace Hopper","email":"grace@example.com"}"#;
        let new_webhook =
            format!(r#"{{"url":"{}/mine","events":["contact.created"]}}"#, self.catcher_url);
        [
            format!("curl -s {contacts} {key} {json} -d '{new_contact}'\n"),
            format!("curl -s {contacts}/{contact} {key}\n"),
            format!("curl -s '{contacts}?q=ada' {key}\n"),
            format!("curl -s {webhooks} {key} {json} -d '{new_webhook}'\n"),
            format!("curl -s {webhooks}/{webhook}/events {key}\n"),
        ]
    }
}

/// Removes the file if it is there.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
