//! `api admin tenant erase`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use shared::db::owner::erase;
use shared::id::TenantId;

use crate::commands::CommandResult;
use crate::commands::confirm::confirm;
use crate::commands::out::{Column, Out};
use crate::commands::progress;

const COLUMNS: &[Column] = &[("TABLE", "/table"), ("ROWS", "/rows")];

const STOPPED: &str =
    "stopped: the tenant is shut and a part of it is gone; the same command erases the rest";

/// Which tenant, and how sure that is.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  api admin tenant erase --tenant $TENANT --dry-run\n  api admin tenant erase --tenant $TENANT --yes\n\n\
    It can be stopped and begun again. `api admin log` keeps that it happened."
)]
pub(crate) struct Erase {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// Count what would go, and erase nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for the tenant's name
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    out: Out,
}

pub(super) async fn run(Erase { tenant, dry_run, yes, out }: Erase) -> CommandResult {
    let db = super::owner().await?;
    let held = erase::holdings(&db, tenant).await?;
    if dry_run {
        return out.list(&rows(&held.rows), COLUMNS);
    }
    let total = held.rows.values().sum();
    // Of one that was erased halfway only the id is left.
    let name = held.name.unwrap_or_else(|| tenant.to_string());
    confirm(yes, &format!("{total} rows of {name} ({tenant}) will be gone for good."), &name)?;
    let erased = progress::unless_stopped(STOPPED, async {
        let bar = progress::bar(total, "erasing");
        Ok(erase::erase(&db, tenant, |_, rows| bar.inc(rows)).await?)
    });
    out.list(&rows(&erased.await?), COLUMNS)
}

fn rows(counts: &BTreeMap<String, u64>) -> Vec<Value> {
    counts.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect()
}
