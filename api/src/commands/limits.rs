//! `api admin tenant limits`.

use shared::db::Origin;
use shared::db::check::{self, Process};
use shared::id::{ApiKeyId, TenantId};
use shared::settings::Value as _;
use shared::{Clock, Db, TenantTx};

use super::{CommandResult, say};
use crate::config::Config;
use crate::limit::{Class, Limit};

/// A limit of somebody's own, or the word that ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted(Option<Limit>);

impl Wanted {
    /// `1000/1m`, `off` or `default`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "default" => Ok(Self(None)),
            _ => Limit::parse(text)
                .map(|limit| Self(Some(limit)))
                .map_err(|fault| format!("{fault}, or default")),
        }
    }
}

/// Gives a tenant, or one of its keys, a limit of its own; it holds from its next request on.
pub(crate) async fn set(
    config: Config,
    tenant: TenantId,
    key: Option<ApiKeyId>,
    class: Class,
    Wanted(limit): Wanted,
) -> CommandResult {
    check::require(&config.db.url, Process::Api).await?;
    let db = Db::new(&config.db, Clock::system());
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    let text = limit.map(|limit| limit.to_string());
    let found = match key {
        Some(key) => of_key(&mut tx, key, class, text.as_deref()).await?,
        None => of_tenant(&mut tx, class, text.as_deref()).await?,
    };
    if found == 0 {
        return Err(
            if key.is_some() { "no such key in this tenant" } else { "no such tenant" }.into()
        );
    }
    tx.commit().await?;
    say(&format!("{} {}", class.as_str(), text.as_deref().unwrap_or("default")))
}

/// `null` removes the limit.
async fn of_tenant(tx: &mut TenantTx, class: Class, limit: Option<&str>) -> sqlx::Result<u64> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let done = sqlx::query!(
        "update tenants
         set rate_limits = jsonb_strip_nulls(rate_limits || jsonb_build_object($2::text, $3::text)), updated_at = $4
         where id = $1",
        tenant.0,
        class.as_str(),
        limit,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// `null` removes the limit.
async fn of_key(
    tx: &mut TenantTx,
    key: ApiKeyId,
    class: Class,
    limit: Option<&str>,
) -> sqlx::Result<u64> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let done = sqlx::query!(
        "update api_keys
         set rate_limits = jsonb_strip_nulls(rate_limits || jsonb_build_object($3::text, $4::text)), updated_at = $5
         where tenant_id = $1 and id = $2",
        tenant.0,
        key.0,
        class.as_str(),
        limit,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
