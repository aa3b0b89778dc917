//! Answers that are kept for a repetition and show what is erased: sealed again with what is left, so that a repetition
//! still changes nothing.

use serde_json::Value;
use shared::seal::Keyring;
use shared::{TenantTx, answers};
use uuid::Uuid;

/// An answer, sealed.
struct Kept {
    principal: String,
    key: String,
    answer: Vec<u8>,
}

/// Erases the answers that show these records; `kind` names them as events do. One that does not open is forgotten.
pub(super) async fn erase(
    tx: &mut TenantTx,
    keyring: &Keyring,
    kind: &str,
    records: &[Uuid],
) -> sqlx::Result<i32> {
    let tenant = tx.tenant();
    let kept = sqlx::query_as!(
        Kept,
        "select principal, key, answer from idempotency_keys where tenant_id = $1 and record = any ($2)",
        tenant.0,
        records,
    )
    .fetch_all(tx.conn())
    .await?;
    for one in &kept {
        let place = answers::place(tenant, &one.principal, &one.key);
        let opened = keyring.open(&one.answer, &place).ok();
        let reply = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
        let sealed = match reply {
            Some(reply) => {
                let left = left(tx, kind, reply).await?;
                serde_json::to_vec(&left).ok().and_then(|json| keyring.seal(&json, &place).ok())
            }
            None => None,
        };
        write(tx, one, sealed).await?;
    }
    Ok(i32::try_from(kept.len()).unwrap_or(i32::MAX))
}

/// The answer with its data erased. Its `data` is JSON text, and of an escaped NUL in it PostgreSQL makes no text.
async fn left(tx: &mut TenantTx, kind: &str, mut reply: Value) -> sqlx::Result<Value> {
    if let Some(data) = reply["data"].as_str() {
        let data = sqlx::query_scalar!(
            r#"select erased_data($1, replace($2::text, '\u0000', '\ufffd')::json)::text as "data!""#,
            kind,
            data,
        )
        .fetch_one(tx.conn())
        .await?;
        reply["data"] = Value::from(data);
    }
    Ok(reply)
}

async fn write(tx: &mut TenantTx, kept: &Kept, sealed: Option<Vec<u8>>) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    match sealed {
        Some(sealed) => sqlx::query!(
            "update idempotency_keys set answer = $4 where tenant_id = $1 and principal = $2 and key = $3",
            tenant.0,
            kept.principal,
            kept.key,
            sealed,
        ),
        None => sqlx::query!(
            "delete from idempotency_keys where tenant_id = $1 and principal = $2 and key = $3",
            tenant.0,
            kept.principal,
            kept.key,
        ),
    }
    .execute(tx.conn())
    .await?;
    Ok(())
}
