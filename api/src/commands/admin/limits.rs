//! `api admin tenant limits`.

use serde_json::{Value, json};
use shared::TenantTx;
use shared::changes;
use shared::id::{ApiKeyId, TenantId};
use shared::settings::Value as _;

use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::say;
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
    tenant: TenantId,
    key: Option<ApiKeyId>,
    class: Class,
    Wanted(limit): Wanted,
) -> CommandResult {
    // One that was set before is still to be taken back.
    if limit.is_some() && !class.is_of_callers() {
        let class = class.as_str();
        return Err(
            format!("{class} counts before anybody is known; read, write and qr do not").into()
        );
    }
    if limit.is_some() && key.is_some() && class == Class::Qr {
        return Err("qr counts users, and a key is none".into());
    }
    let mut tx = Front::open(tenant).await?.begin().await?;
    let text = limit.map(|limit| limit.to_string());
    let (record, changed) = match key {
        Some(key) => (("api_key", key.0), of_key(&mut tx, key, class, text.as_deref()).await?),
        None => (("tenant", tenant.0), Some(of_tenant(&mut tx, class, text.as_deref()).await?)),
    };
    let (before, after) = changed.ok_or("no such key in this tenant")?;
    let [before, after] = [before, after].map(|limits| json!({"rateLimits": limits}));
    changes::replaced(&mut tx, record, "limits_updated", Some(&before), &after)?;
    tx.commit().await?;
    say(&format!("{} {}", class.as_str(), text.as_deref().unwrap_or("default")))
}

/// All limits of the record, before and after.
type Changed = (Value, Value);

/// `null` removes the limit.
async fn of_tenant(tx: &mut TenantTx, class: Class, limit: Option<&str>) -> sqlx::Result<Changed> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let changed = sqlx::query!(
        r#"update tenants t
           set rate_limits = jsonb_strip_nulls(t.rate_limits || jsonb_build_object($2::text, $3::text)), updated_at = $4
           from (select id, rate_limits from tenants where id = $1 for no key update) o where t.id = o.id
           returning o.rate_limits as before, t.rate_limits as after"#,
        tenant.0,
        class.as_str(),
        limit,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((changed.before, changed.after))
}

/// The same of one of its keys, if there is such a key.
async fn of_key(
    tx: &mut TenantTx,
    key: ApiKeyId,
    class: Class,
    limit: Option<&str>,
) -> sqlx::Result<Option<Changed>> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let changed = sqlx::query!(
        r#"update api_keys k
           set rate_limits = jsonb_strip_nulls(k.rate_limits || jsonb_build_object($3::text, $4::text)), updated_at = $5
           from (select tenant_id, id, rate_limits from api_keys where tenant_id = $1 and id = $2 for no key update) o
           where k.tenant_id = o.tenant_id and k.id = o.id
           returning o.rate_limits as before, k.rate_limits as after"#,
        tenant.0,
        key.0,
        class.as_str(),
        limit,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(changed.map(|row| (row.before, row.after)))
}
