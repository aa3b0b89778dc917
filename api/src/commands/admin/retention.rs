//! `api admin retention`.

use clap::Subcommand;
use serde_json::{Value, json};
use shared::db::owner;
use shared::id::TenantId;

use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::{Column, Out};

const PATH: &str = "/api/v1/tenant/settings";

const COLUMNS: &[Column] =
    &[("TENANT", "/tenantId"), ("NAME", "/name"), ("DAYS", "/eventRetentionDays")];

/// How long events, deliveries and attempts are kept.
#[derive(Subcommand)]
pub(crate) enum Retention {
    /// Show it, of one tenant or of all (`MIGRATION_DATABASE_URL`)
    #[command(after_help = "Example:\n  api admin retention show")]
    Show {
        /// The tenant's id; all tenants without
        #[arg(long)]
        tenant: Option<TenantId>,
        #[command(flatten)]
        out: Out,
    },
    /// Change it; what is older goes within the hour
    #[command(after_help = "Example:\n  api admin retention set --tenant $TENANT --days 7")]
    Set {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// 1 to 90
        #[arg(long)]
        days: i64,
        #[command(flatten)]
        out: Out,
    },
}

pub(super) async fn run(command: Retention) -> CommandResult {
    match command {
        Retention::Show { tenant: Some(tenant), out } => {
            let settings = Front::open(tenant).await?.get(PATH).await?;
            out.list(&[kept(&settings)], COLUMNS)
        }
        Retention::Show { tenant: None, out } => {
            let tenants = owner::tenants(&super::owner().await?, None).await?;
            let rows: Vec<Value> = tenants
                .iter()
                .map(|tenant| {
                    json!({"tenantId": tenant.id, "name": tenant.name,
                        "eventRetentionDays": tenant.event_retention_days})
                })
                .collect();
            out.list(&rows, COLUMNS)
        }
        Retention::Set { tenant, days, out } => {
            let front = Front::open(tenant).await?;
            let settings = front.patch(PATH, json!({"eventRetentionDays": days})).await?;
            out.list(&[kept(&settings)], COLUMNS)
        }
    }
}

fn kept(settings: &Value) -> Value {
    json!({"tenantId": settings["tenantId"], "name": settings["name"],
        "eventRetentionDays": settings["eventRetentionDays"]})
}
