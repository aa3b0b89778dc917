//! Answers that are kept for a repetition and show what is erased: sealed again with what is left, so that a repetition
//! still changes nothing.

use serde_json::Value;
use shared::seal::Keyring;
use shared::{TenantTx, idempotency};
use uuid::Uuid;

/// An answer, sealed.
struct Kept {
    principal: String,
    key: String,
    answer: Vec<u8>,
}

/// What an answer shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// A record of this kind, named as events name it.
    Record(&'static str),
    /// A delivery, with what it tells and what its receiver said.
    Delivery,
}

/// Answers of one page.
pub(super) const PAGE: i32 = 200;

/// Erases all answers that show these records.
pub(super) async fn erase(
    tx: &mut TenantTx,
    keyring: &Keyring,
    shown: Shown,
    records: &[Uuid],
) -> sqlx::Result<i32> {
    let mut all = 0;
    loop {
        let some = erase_some(tx, keyring, shown, records).await?;
        all += some;
        if some < PAGE {
            return Ok(all);
        }
    }
}

/// Erases one page of them, which does not come again; says how many. One that does not open is forgotten.
pub(super) async fn erase_some(
    tx: &mut TenantTx,
    keyring: &Keyring,
    shown: Shown,
    records: &[Uuid],
) -> sqlx::Result<i32> {
    let tenant = tx.tenant();
    let kept = sqlx::query_as!(
        Kept,
        "select principal, key, answer from idempotency_keys where tenant_id = $1 and record = any ($2) limit $3",
        tenant.0,
        records,
        i64::from(PAGE),
    )
    .fetch_all(tx.conn())
    .await?;
    for one in &kept {
        let aad = idempotency::aad(tenant, &one.principal, &one.key);
        let opened = keyring.open(&one.answer, &aad).ok();
        let reply = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
        let sealed = match reply {
            Some(reply) => {
                let left = left(tx, shown, reply).await?;
                serde_json::to_vec(&left).ok().and_then(|json| keyring.seal(&json, &aad).ok())
            }
            None => None,
        };
        write(tx, one, sealed).await?;
    }
    Ok(i32::try_from(kept.len()).unwrap_or(i32::MAX))
}

/// The answer with its data erased. Its `data` is JSON text, and of an escaped NUL in it PostgreSQL makes no text.
async fn left(tx: &mut TenantTx, shown: Shown, mut reply: Value) -> sqlx::Result<Value> {
    if let Some(data) = reply["data"].as_str() {
        let kind = match shown {
            Shown::Record(kind) => Some(kind),
            Shown::Delivery => None,
        };
        let data = sqlx::query_scalar!(
            r#"select (case when $1::text is null then erased_delivery(d.data) else erased_data($1, d.data) end)::text as "data!"
               from (select replace($2::text, '\u0000', '\ufffd')::json as data) d"#,
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
            "update idempotency_keys set answer = $4, record = null where tenant_id = $1 and principal = $2 and key = $3",
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
