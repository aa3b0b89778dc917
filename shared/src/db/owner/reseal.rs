//! Seals what is stored under the keyring's first key, so that older ones can go. What somebody else has sealed
//! meanwhile is left as it is.

use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::log;
use crate::db::{Db, Origin, TenantTx};
use crate::id::{TenantId, WebhookId};
use crate::idempotency;
use crate::seal::Keyring;
use crate::webhook::Owner;
use crate::webhook::owner::SEALED;

/// Values of one transaction.
const BATCH: i64 = 200;

/// What was sealed anew of one tenant's, or would be.
#[derive(Default)]
pub struct Resealed {
    /// Secrets, headers and certificates of webhooks.
    pub secrets: u64,
    /// Answers that are kept for a repetition.
    pub answers: u64,
    /// What did not open: `webhook <id>`, or `answers` for some kept answer.
    pub unreadable: Vec<String>,
}

/// Seals everything of a tenant anew that is not under the first key; only counts it when `dry`.
///
/// # Errors
/// The database's.
pub async fn reseal(
    db: &Db,
    tenant: TenantId,
    keyring: &Keyring,
    dry: bool,
) -> sqlx::Result<Resealed> {
    let mut done = Resealed::default();
    for (column, member) in SEALED {
        let mut after = Uuid::nil();
        loop {
            let mut tx = db.tenant(tenant, Origin::default()).await?;
            let found = sealed_elsewhere(&mut tx, column, keyring, after).await?;
            for (id, sealed) in &found {
                let place = Owner(tenant, WebhookId(*id)).aad(member);
                match keyring.renew(sealed, &place) {
                    Ok(_) if dry => done.secrets += 1,
                    Ok(renewed) => {
                        done.secrets += replace(&mut tx, column, *id, (sealed, &renewed)).await?;
                    }
                    Err(_) => done.unreadable.push(format!("webhook {id}")),
                }
            }
            tx.commit().await?;
            match found.last() {
                Some((id, _)) => after = *id,
                None => break,
            }
        }
    }
    kept_answers(db, tenant, keyring, dry, &mut done).await?;
    if !dry && done.secrets + done.answers > 0 {
        let mut tx = db.tenant(tenant, Origin::default()).await?;
        let detail =
            json!({"key": keyring.current(), "secrets": done.secrets, "answers": done.answers});
        log(&mut tx, "secrets.resealed", &detail).await?;
        tx.commit().await?;
    }
    Ok(done)
}

/// The next values of a column that are under another key than the first.
async fn sealed_elsewhere(
    tx: &mut TenantTx,
    column: &str,
    keyring: &Keyring,
    after: Uuid,
) -> sqlx::Result<Vec<(Uuid, Vec<u8>)>> {
    let sql = format!(
        "select id, {column} from webhooks
         where tenant_id = $1 and id > $2 and get_byte({column}, 1) * 256 + get_byte({column}, 2) <> $3
         order by id limit $4"
    );
    let tenant = tx.tenant();
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(tenant.0)
        .bind(after)
        .bind(i32::from(keyring.current()))
        .bind(BATCH)
        .fetch_all(tx.conn())
        .await
}

/// How many rows still held the old value: one, or none.
async fn replace(
    tx: &mut TenantTx,
    column: &str,
    id: Uuid,
    (old, new): (&[u8], &[u8]),
) -> sqlx::Result<u64> {
    let sql = format!(
        "update webhooks set {column} = $3 where tenant_id = $1 and id = $2 and {column} = $4"
    );
    let tenant = tx.tenant();
    let query = sqlx::query(AssertSqlSafe(sql)).bind(tenant.0).bind(id).bind(new).bind(old);
    Ok(query.execute(tx.conn()).await?.rows_affected())
}

/// A kept answer: whose, under which key of theirs, and sealed.
type Answer = (String, String, Vec<u8>);

async fn kept_answers(
    db: &Db,
    tenant: TenantId,
    keyring: &Keyring,
    dry: bool,
    done: &mut Resealed,
) -> sqlx::Result<()> {
    let mut after = (String::new(), String::new());
    loop {
        let mut tx = db.tenant(tenant, Origin::default()).await?;
        let found: Vec<Answer> = sqlx::query_as(
            "select principal, key, answer from idempotency_keys
             where tenant_id = $1 and (principal, key) > ($2, $3)
               and get_byte(answer, 1) * 256 + get_byte(answer, 2) <> $4
             order by principal, key limit $5",
        )
        .bind(tenant.0)
        .bind(&after.0)
        .bind(&after.1)
        .bind(i32::from(keyring.current()))
        .bind(BATCH)
        .fetch_all(tx.conn())
        .await?;
        for (principal, key, sealed) in &found {
            match keyring.renew(sealed, &idempotency::aad(tenant, principal, key)) {
                Ok(_) if dry => done.answers += 1,
                Ok(renewed) => {
                    let replaced = sqlx::query(
                        "update idempotency_keys set answer = $4
                         where tenant_id = $1 and principal = $2 and key = $3 and answer = $5",
                    );
                    let replaced = replaced
                        .bind(tenant.0)
                        .bind(principal)
                        .bind(key)
                        .bind(renewed)
                        .bind(sealed);
                    done.answers += replaced.execute(tx.conn()).await?.rows_affected();
                }
                Err(_) => done.unreadable.push("answers".to_owned()),
            }
        }
        tx.commit().await?;
        match found.into_iter().next_back() {
            Some((principal, key, _)) => after = (principal, key),
            None => return Ok(()),
        }
    }
}
