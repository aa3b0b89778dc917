//! `api admin api-key`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use shared::id::{ApiKeyId, TenantId};
use shared::settings::Value as _;

use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::{Column, Out, without_null};

const PATH: &str = "/api/v1/api-keys";

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PREFIX", "/prefix"),
    ("ACTIVE", "/active"),
    ("EXPIRES", "/expiresAt"),
    ("LAST USED", "/lastUsedAt"),
    ("SCOPES", "/scopes"),
];

const SHOWN: &[Column] =
    &[("id", "/id"), ("name", "/name"), ("scopes", "/scopes"), ("key", "/key")];

/// What is done with API keys.
#[derive(Subcommand)]
pub(crate) enum ApiKey {
    /// Create a key, which is shown this once
    #[command(
        after_help = "Example:\n  api admin api-key create --tenant $TENANT --name 'Nightly export' --scopes contacts:read"
    )]
    Create(NewKey),
    /// List the keys that are not revoked, the oldest first
    #[command(after_help = "Example:\n  api admin api-key list --tenant $TENANT")]
    List {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        out: Out,
    },
    /// Give a key a new secret, which is shown this once; the old one works on for a while
    #[command(
        after_help = "Example:\n  api admin api-key rotate --tenant $TENANT --key $KEY --overlap 1h"
    )]
    Rotate {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The key's id
        #[arg(long)]
        key: ApiKeyId,
        /// How long the old secret works on, at most 168h
        #[arg(long, default_value = "24h", value_parser = Duration::parse)]
        overlap: Duration,
        #[command(flatten)]
        out: Out,
    },
    /// Revoke a key at once and for good
    #[command(after_help = "Example:\n  api admin api-key revoke --tenant $TENANT --key $KEY")]
    Revoke {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// The key's id
        #[arg(long)]
        key: ApiKeyId,
    },
}

/// What a key is created from.
#[derive(Args)]
pub(crate) struct NewKey {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// What it is called
    #[arg(long)]
    name: String,
    /// What it may do, such as contacts:read,webhooks:write
    #[arg(long, value_delimiter = ',', required = true)]
    scopes: Vec<String>,
    /// Until when it works, such as 2027-01-01T00:00:00Z; for ever without
    #[arg(long)]
    expires_at: Option<String>,
    /// Where it works from, such as 192.0.2.0/24; from anywhere without
    #[arg(long, value_delimiter = ',')]
    allowed_ips: Option<Vec<String>>,
    #[command(flatten)]
    out: Out,
}

pub(super) async fn run(command: ApiKey) -> CommandResult {
    match command {
        ApiKey::Create(new) => {
            let body = without_null(json!({"name": new.name, "scopes": new.scopes,
                "expiresAt": new.expires_at, "allowedIps": new.allowed_ips}));
            let key = Front::open(new.tenant).await?.post(PATH, body).await?;
            new.out.record(&key, SHOWN)
        }
        ApiKey::List { tenant, out } => {
            out.list(&Front::open(tenant).await?.all(PATH).await?, COLUMNS)
        }
        ApiKey::Rotate { tenant, key, overlap, out } => {
            let body = json!({"overlapSeconds": overlap.as_secs()});
            let path = format!("{PATH}/{key}/rotate");
            out.record(&Front::open(tenant).await?.post(&path, body).await?, SHOWN)
        }
        ApiKey::Revoke { tenant, key } => {
            Front::open(tenant).await?.delete(&format!("{PATH}/{key}")).await?;
            crate::commands::out::say(&format!("{key} revoked"))
        }
    }
}
