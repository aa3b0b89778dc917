//! Carries out the imports that are too large for a request, one batch at a time, each in a transaction of its own
//! that also writes down what became of its rows: whatever dies when, no row is lost or applied twice. The import's
//! row is locked meanwhile, so that two workers never do the same batch; imports take turns by `due_at`.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use shared::audit::Actor;
use shared::db::{Origin, fault};
use shared::id::{ImportId, TenantId};
use shared::import::run::step;
use shared::import::{Import, Status, chunks, store};
use shared::telemetry::metrics::UnderWay;
use shared::{Db, TenantTx, telemetry};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field};

use crate::background::{Then, Wakeup, work};

/// Tries of one batch; after the last the import has failed.
const TRIES: i32 = 8;
/// An upload that has not moved for so long is over.
const ABANDONED: TimeDelta = TimeDelta::hours(1);
/// Imports and their failed rows are kept for so long.
const KEPT: TimeDelta = TimeDelta::days(30);

/// An import that is due.
struct Claim {
    tenant: TenantId,
    id: ImportId,
    claims: i32,
    origin: Origin,
}

/// Works on whatever is due until `stop`; the batch under way is finished.
pub(crate) async fn run(db: Db, wakeup: Wakeup, stop: CancellationToken) {
    let mut importer = Importer::new(db);
    work("importing", wakeup, stop, async move || importer.advance().await.map(Then::again_if))
        .await;
}

/// Does batches one after another.
pub struct Importer {
    db: Db,
    /// The import that it goes on with. It needs no claim while no other waits: the lock of its row is what counts.
    at_hand: Option<Claim>,
}

impl Importer {
    /// With nothing at hand.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, at_hand: None }
    }

    /// Does the next batch of the import that has waited longest; says whether there was one.
    ///
    /// # Errors
    /// The database is away. Trouble with the batch itself is written down with its import.
    pub async fn advance(&mut self) -> sqlx::Result<bool> {
        let claim = match self.at_hand.take() {
            Some(claim) => Some(claim),
            None => claim(&self.db).await?,
        };
        let Some(claim) = claim else { return Ok(false) };
        let span = span(&claim);
        let alone = carry_out(&self.db, &claim).instrument(span).await?;
        self.at_hand = Some(claim).filter(|_| alone);
        Ok(true)
    }
}

/// A batch belongs to the trace of the request that asked for the import.
fn span(claim: &Claim) -> Span {
    let span = tracing::info_span!(
        "import",
        tenant_id = %claim.tenant,
        import_id = %claim.id,
        request_id = claim.origin.request_id,
        trace_id = field::Empty,
    );
    let _ = telemetry::continue_trace(&span, claim.origin.traceparent.as_deref());
    span
}

/// Whether it goes on and no other waits.
async fn carry_out(db: &Db, claim: &Claim) -> sqlx::Result<bool> {
    let started = Instant::now();
    let running = UnderWay::counted(metrics::gauge!("imports_running"));
    let done = if claim.claims > TRIES { Ok(Moved::Given) } else { batch(db, claim).await };
    drop(running);
    metrics::histogram!("import_batch_seconds").record(started.elapsed());
    match done {
        Ok(Moved::On { alone }) => return Ok(alone),
        Ok(Moved::Given) => {
            tracing::error!("an import was given up: its workers kept failing");
            let told = format!("The worker gave up after {TRIES} tries");
            failed(db, claim, "abandoned", &told).await?;
        }
        Err(error) if is_retryable(&error) => {
            tracing::warn!(%error, "a batch of an import failed; trying again");
            forgive(db, claim).await?;
        }
        Err(error) => {
            tracing::error!(%error, "an import failed");
            let told = "A fault of the service; nothing of the last batch was imported";
            failed(db, claim, "fault", told).await?;
        }
    }
    Ok(false)
}

/// Ends an import through no fault of its own.
async fn failed(db: &Db, claim: &Claim, why: &'static str, told: &str) -> sqlx::Result<()> {
    end(db, claim, told).await?;
    metrics::counter!("imports_failed_total", "why" => why).increment(1);
    Ok(())
}

/// What became of a claim.
enum Moved {
    On { alone: bool },
    Given,
}

/// Goes away with another try. A unique value can be taken between a look and a write.
fn is_retryable(error: &sqlx::Error) -> bool {
    fault::is_transient(error)
        || matches!(
            fault::constraint(error),
            Some("contacts_email_taken" | "contacts_external_id_taken")
        )
}

/// Takes the import that has been due longest. Until its batch is written down it is not due again for a while,
/// which grows with each try.
async fn claim(db: &Db) -> sqlx::Result<Option<Claim>> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let row = sqlx::query!(
        r#"update imports set claims = claims + 1, due_at = $1::timestamptz + 2 ^ least(claims, 6) * interval '1 second'
           where (tenant_id, id) = (
               select tenant_id, id from imports where due_at <= $1 order by due_at limit 1 for update skip locked)
           returning tenant_id as "tenant: TenantId", id as "id: ImportId", claims, actor_type, actor_id, request_id,
                     traceparent, address"#,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Claim {
        tenant: row.tenant,
        id: row.id,
        claims: row.claims,
        origin: Origin {
            request_id: row.request_id,
            traceparent: row.traceparent,
            actor: Actor::from_parts(&row.actor_type, row.actor_id),
            address: row.address.and_then(|text| text.parse().ok()),
        },
    }))
}

async fn batch(db: &Db, claim: &Claim) -> sqlx::Result<Moved> {
    let mut tx = db.tenant(claim.tenant, claim.origin.clone()).await?;
    let moved = move_on(&mut tx, claim).await;
    let moved = tx.finish(moved).await?;
    let alone = moved.as_ref().is_some_and(|(_, after, alone)| after.goes_on() && *alone);
    if let Some((before, after, _)) = moved {
        for (outcome, count) in [
            ("created", after.created - before.created),
            ("updated", after.updated - before.updated),
            ("skipped", after.skipped - before.skipped),
            ("failed", after.failed - before.failed),
            ("undone", after.undone - before.undone),
        ] {
            let count = u64::try_from(count).unwrap_or_default();
            metrics::counter!("import_rows_total", "outcome" => outcome).increment(count);
        }
    }
    Ok(Moved::On { alone })
}

/// The import before and after its next batch, and whether no other waits; none when another worker has it or it is
/// over.
async fn move_on(tx: &mut TenantTx, claim: &Claim) -> sqlx::Result<Option<(Import, Import, bool)>> {
    let Some(before) = store::take(tx, claim.id).await? else { return Ok(None) };
    if !before.goes_on() {
        return Ok(None);
    }
    let mut after = before.clone();
    step(tx, &mut after).await?;
    store::save(tx, &mut after).await?;
    let alone = sqlx::query_scalar!(
        r#"select not exists (select from imports where due_at <= $1 and id <> $2) as "alone!""#,
        tx.now(),
        claim.id.0,
    );
    let alone = alone.fetch_one(tx.conn()).await?;
    Ok(Some((before, after, alone)))
}

/// The try does not count: it was not the import's fault.
async fn forgive(db: &Db, claim: &Claim) -> sqlx::Result<()> {
    let mut tx = db.tenant(claim.tenant, claim.origin.clone()).await?;
    let forgiven = sqlx::query!(
        "update imports set claims = least(claims, 5) - 1 where id = $1 and claims > 0",
        claim.id.0
    )
    .execute(tx.conn())
    .await;
    tx.finish(forgiven).await.map(|_| ())
}

/// Ends an import that cannot go on. What its earlier batches did stays, and can be undone.
async fn end(db: &Db, claim: &Claim, why: &str) -> sqlx::Result<()> {
    let mut tx = db.tenant(claim.tenant, claim.origin.clone()).await?;
    let ended = async {
        let Some(mut import) = store::take(&mut tx, claim.id).await? else { return Ok(()) };
        import.error = Some(why.to_owned());
        import.end(Status::Failed, tx.now());
        chunks::give_up(&mut tx, import.id).await?;
        store::save(&mut tx, &mut import).await
    }
    .await;
    tx.finish(ended).await
}

/// Removes an upload that was broken off, or an import that has been over for 30 days; says whether there was one.
///
/// # Errors
/// The database's.
pub async fn sweep(db: &Db) -> sqlx::Result<bool> {
    let now: DateTime<Utc> = db.clock().now();
    let mut tx = db.system().await?;
    let swept = sqlx::query!(
        "delete from imports where (tenant_id, id) in (
             (select tenant_id, id from imports where status = 'uploading' and updated_at < $1 limit 1)
             union all (select tenant_id, id from imports where finished_at < $2 limit 1))",
        now - ABANDONED,
        now - KEPT,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(swept > 0)
}
