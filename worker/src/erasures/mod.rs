//! Erases the history of records that have been erased for good (docs/decisions/0022): step by step, each in a
//! transaction of its own that also writes down how far it is, so that whatever dies when, the next step is the right
//! one. The record itself was emptied by the request. An erasure never gives up: it waits longer with each try.

mod answers;
mod history;
mod imports;
mod steps;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::{Origin, fault};
use shared::id::{ErasureId, TenantId};
use shared::seal::Keyring;
use shared::{Db, TenantTx, stored_words, words};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::{Then, Wakeup, work};

words! {
    /// How far an erasure is.
    enum Stage {
        /// Events that no relay has taken yet.
        Outbox = "outbox",
        /// The record's own changes: the audit log, events, deliveries and their attempts.
        Changes = "changes",
        /// The same of activities about it.
        Activities = "activities",
        /// Rows of imports.
        Imports = "imports",
        /// Nothing is left.
        Done = "done",
    }
}
stored_words!(Stage);

/// An erasure, as its row says.
#[derive(Debug)]
struct Erasure {
    id: ErasureId,
    record: Uuid,
    created_at: DateTime<Utc>,
    stage: Stage,
    /// How far the stage is: time, id and row behind which it goes on.
    cursor: Cursor,
    /// What failed rows of imports are searched for.
    sought: Vec<String>,
    counts: Counts,
}

/// See [`Erasure::cursor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    at: Option<DateTime<Utc>>,
    id: Option<Uuid>,
    row: Option<i32>,
}

/// What has been erased.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    events: i32,
    deliveries: i32,
    attempts: i32,
    audit_entries: i32,
    activities: i32,
    import_rows: i32,
    answers: i32,
}

impl Erasure {
    /// Goes on with another stage, from its beginning.
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.cursor = Cursor::default();
    }
}

/// The erasure to work on next.
struct Claim {
    tenant: TenantId,
    id: ErasureId,
}

/// Works on whatever is due until `stop`; the step under way is finished.
pub(crate) async fn run(db: Db, keyring: Keyring, wakeup: Wakeup, stop: CancellationToken) {
    let round = async move || advance(&db, &keyring).await.map(Then::again_if);
    work("erasing", wakeup, stop, round).await;
}

/// Does the next step of the erasure that has waited longest; says whether there was one.
///
/// # Errors
/// The database is away. Trouble with the step itself has it tried again later.
pub async fn advance(db: &Db, keyring: &Keyring) -> sqlx::Result<bool> {
    let Some(claim) = claim(db).await? else { return Ok(false) };
    let mut tx = db.tenant(claim.tenant, Origin::default()).await?;
    let moved = step(&mut tx, keyring, claim.id).await;
    match tx.finish(moved).await {
        Ok(finished) => {
            metrics::counter!("erasures_finished_total").increment(u64::from(finished));
            Ok(true)
        }
        Err(error) if fault::is_disconnect(&error) => Err(error),
        Err(error) => {
            tracing::error!(%error, tenant_id = %claim.tenant, erasure_id = %claim.id, "a step of an erasure failed; trying again later");
            Ok(true)
        }
    }
}

/// Takes the erasure that has been due longest. Until its step is written down it is not due again for a while, which
/// grows with each try, to about a minute.
async fn claim(db: &Db) -> sqlx::Result<Option<Claim>> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let claim = sqlx::query_as!(
        Claim,
        r#"update erasures set claims = claims + 1, due_at = $1::timestamptz + 2 ^ least(claims, 6) * interval '1 second'
           where (tenant_id, id) = (
               select tenant_id, id from erasures where due_at <= $1 order by due_at limit 1 for update skip locked)
           returning tenant_id as "tenant: TenantId", id as "id: ErasureId""#,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(claim)
}

/// Does one step; says whether it was the last.
async fn step(tx: &mut TenantTx, keyring: &Keyring, id: ErasureId) -> sqlx::Result<bool> {
    let Some(mut erasure) = store::take(tx, id).await? else { return Ok(false) };
    let pause = steps::step(tx, keyring, &mut erasure).await?;
    store::save(tx, &erasure, pause.unwrap_or(TimeDelta::zero())).await?;
    Ok(erasure.stage == Stage::Done)
}
