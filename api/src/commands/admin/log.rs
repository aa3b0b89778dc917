//! `api admin log`.

use clap::Args;
use shared::db::owner;
use shared::id::TenantId;

use crate::commands::CommandResult;
use crate::commands::out::{Column, Out};

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTION", "/action"),
    ("TENANT", "/subject"),
    ("LOGIN", "/login"),
    ("DETAIL", "/detail"),
];

/// Which entries.
#[derive(Args)]
#[command(after_help = "Example:\n  api admin log --tenant $TENANT")]
pub(crate) struct Log {
    /// Only of this tenant, which may be gone
    #[arg(long)]
    tenant: Option<TenantId>,
    /// The newest so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    most: i64,
    #[command(flatten)]
    out: Out,
}

pub(super) async fn run(log: Log) -> CommandResult {
    let entries = owner::logged(&super::owner().await?, log.tenant, log.most).await?;
    let rows: Vec<_> = entries.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    log.out.list(&rows, COLUMNS)
}
