//! `api admin tenant`.

use clap::Subcommand;
use serde_json::{Value, json};
use shared::db::owner;
use shared::id::{ApiKeyId, TenantId};

use super::limits::Wanted;
use super::{create, erase, export, limits};
use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::{Column, Out};
use crate::config::Config;
use crate::limit::Class;

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("CREATED", "/createdAt"),
    ("RETENTION DAYS", "/eventRetentionDays"),
    ("DEMO", "/demo"),
];

const MEMBERS: &[Column] = &[
    ("id", "/tenantId"),
    ("name", "/name"),
    ("created", "/createdAt"),
    ("currency", "/currency"),
    ("time zone", "/timezone"),
    ("retention days", "/eventRetentionDays"),
    ("users", "/users"),
    ("API keys", "/apiKeys"),
    ("webhooks", "/webhooks"),
    ("unhealthy webhooks", "/unhealthyWebhooks"),
];

/// What is done with tenants.
#[derive(Subcommand)]
pub(crate) enum Tenant {
    /// Create a tenant with its owner and first API key, which is shown this once
    #[command(
        after_help = "Example:\n  api admin tenant create --name Acme --owner-email owner@acme.example"
    )]
    Create {
        /// The tenant's name
        #[arg(long)]
        name: String,
        /// The owner's e-mail address
        #[arg(long)]
        owner_email: String,
        /// Let demo login open it under this name, as a user of any role: never for a real tenant
        #[arg(long)]
        demo: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all tenants, the oldest first (`MIGRATION_DATABASE_URL`)
    #[command(after_help = "Example:\n  api admin tenant list --name acme")]
    List {
        /// Only those whose name holds this
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Show a tenant: its settings, and how much it has of what an operator asks for
    #[command(after_help = "Example:\n  api admin tenant show --tenant $TENANT")]
    Show {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        out: Out,
    },
    /// Give a tenant, or one of its keys, a rate limit of its own
    #[command(
        after_help = "Example:\n  api admin tenant limits --tenant $TENANT --class read --limit 1000/1m"
    )]
    Limits {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The id of one of its API keys; all of the tenant without
        #[arg(long)]
        key: Option<ApiKeyId>,
        /// What is limited: read or write; or qr, which is scanning and linking, and no key's
        #[arg(long, value_parser = Class::parse)]
        class: Class,
        /// Such as 1000/1m; off; or default, to be limited like the others again
        #[arg(long, value_parser = Wanted::parse)]
        limit: Wanted,
    },
    /// Write everything of a tenant, as it is at one moment, as lines of JSON; no secret and no hash is in it
    Export(export::Export),
    /// Erase a tenant: everything of it, in all tables, for good (`MIGRATION_DATABASE_URL`)
    Erase(erase::Erase),
}

pub(super) async fn run(command: Tenant) -> CommandResult {
    match command {
        Tenant::Create { name, owner_email, demo, json } => {
            let config = Config::from_env()?;
            create::create(config, &name, &owner_email, demo.as_deref(), json).await
        }
        Tenant::List { name, out } => {
            let tenants = owner::tenants(&super::owner().await?, name.as_deref()).await?;
            let rows: Vec<Value> =
                tenants.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            out.list(&rows, COLUMNS)
        }
        Tenant::Show { tenant, out } => show(tenant, out).await,
        Tenant::Limits { tenant, key, class, limit } => {
            limits::set(tenant, key, class, limit).await
        }
        Tenant::Export(export) => export::run(export).await,
        Tenant::Erase(erase) => erase::run(erase).await,
    }
}

async fn show(tenant: TenantId, out: Out) -> CommandResult {
    let front = Front::open(tenant).await?;
    let mut shown = front.get("/api/v1/tenant/settings").await?;
    for (member, path) in [("users", "/api/v1/users"), ("apiKeys", "/api/v1/api-keys")] {
        shown[member] = json!(front.all(path).await?.len());
    }
    let webhooks = front.all("/api/v1/webhooks").await?;
    let unhealthy = webhooks.iter().filter(|webhook| webhook["health"] != "healthy").count();
    shown["webhooks"] = json!(webhooks.len());
    shown["unhealthyWebhooks"] = json!(unhealthy);
    out.record(&shown, MEMBERS)
}
