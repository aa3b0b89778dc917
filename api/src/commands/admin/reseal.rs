//! `api admin reseal`.

use clap::Args;
use serde_json::json;
use shared::db::DatabaseUrl;
use shared::db::owner::{self, reseal};
use shared::id::TenantId;
use shared::seal::Keyring;
use shared::settings::Settings;

use super::OWNER;
use crate::commands::CommandResult;
use crate::commands::out::{Column, Out};
use crate::commands::progress;

const STOPPED: &str = "stopped: keep the old key; the same command seals the rest";

const MEMBERS: &[Column] = &[
    ("first key", "/key"),
    ("tenants", "/tenants"),
    ("webhook secrets", "/secrets"),
    ("kept answers", "/answers"),
    ("unreadable", "/unreadable"),
];

/// Whether to do it.
#[derive(Args)]
#[command(after_help = "Example:\n  SECRET_KEYS=2:$NEW,1:$OLD api admin reseal\n\n\
    Every api and worker must know the new key before. When it says that nothing is unreadable, the old key can go.")]
pub(crate) struct Reseal {
    /// Count what is sealed under another key, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    out: Out,
}

pub(super) async fn run(Reseal { dry_run, out }: Reseal) -> CommandResult {
    let mut settings = Settings::from_env();
    let url: Option<DatabaseUrl> = settings.required("MIGRATION_DATABASE_URL", OWNER);
    let keyring: Option<Keyring> =
        settings.required("SECRET_KEYS", "The new key first, then the old ones: 2:base64,1:base64");
    let (url, keyring) = settings.finish(url.zip(keyring))?;
    let db = super::owner_at(url).await?;
    let tenants = owner::tenants(&db, None).await?;
    let (mut secrets, mut answers, mut unreadable) = (0, 0, Vec::new());
    let all = progress::unless_stopped(STOPPED, async {
        let bar = progress::bar(tenants.len() as u64, "resealing");
        for tenant in &tenants {
            let done = reseal::reseal(&db, TenantId(tenant.id), &keyring, dry_run).await?;
            secrets += done.secrets;
            answers += done.answers;
            unreadable.extend(done.unreadable);
            bar.inc(1);
        }
        Ok(())
    });
    all.await?;
    let result = json!({"key": keyring.current(), "tenants": tenants.len(), "secrets": secrets,
        "answers": answers, "unreadable": unreadable});
    out.record(&result, MEMBERS)?;
    if unreadable.is_empty() {
        return Ok(());
    }
    Err("some do not open: a key is missing in SECRET_KEYS; keep the old ones".into())
}
