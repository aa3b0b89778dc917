//! Step 4 of 6. Before: shared/src/outbox.rs. After: worker/src/deliver.rs.
//!
//! Takes events from the outbox, numbers them, and writes each into the tenant's log and one delivery for each webhook
//! that wants it, in one statement and one transaction. A webhook that is off gets its row too: `skipped`, with why. Of
//! the others the event remembers which they were, because a webhook may be another one when somebody asks why.
//! One relay at a time: with two, a number could become visible before a lower one, and who follows the log would
//! pass over that for ever (docs/decisions/0016-event-log.md).
//!
//! The statement leaves nothing to the planner, whose statistics of an outbox are always of another moment: rows go by
//! `ctid`, and `offset 0` has it look up the webhooks of each event's tenant instead of joining all of them.

use shared::event::{EXTENSIONS, REMEMBERED};
use shared::{Db, SystemTx};
use uuid::Uuid;

use crate::lines;
use crate::queue::{Claimed, Claims, Early};

/// Events taken at once. Row by row the relay would be 300 times slower.
const BATCH: i64 = 500;

/// The lock of whoever relays; any number that nobody else uses.
pub const RELAYING: i64 = 0x0072_656c_6179;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events taken.
    pub events: i64,
    /// Deliveries written for them that are to be made.
    pub deliveries: i64,
    /// Deliveries written for them that are not, because their webhook is off.
    pub skipped: i64,
    /// Times that a filter did not let one pass.
    pub filtered: i64,
}

impl Relayed {
    /// Whether there may be more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.events == BATCH
    }
}

/// Relays one batch, unless another worker is relaying: then nothing. With `claims`, what it made due is claimed in the
/// same transaction, as far as there is room. The commit does not wait for the disk: were it undone by a crash, the
/// events would still be in the outbox, which the writer's own durable commit put there.
///
/// # Errors
/// The database's; nothing was relayed then.
pub async fn relay(db: &Db, claims: Option<&Claims>) -> sqlx::Result<(Relayed, Vec<Claimed>)> {
    let mut tx = db.system().await?;
    // A statement of its own: the next one's snapshot then has everything that the former holder wrote.
    let mine = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "mine!""#, RELAYING)
        .fetch_one(tx.conn())
        .await?;
    let relayed = if mine { take_batch(&mut tx).await? } else { Relayed::default() };
    let early = match claims {
        Some(claims) if relayed.deliveries > 0 => claims.early(&mut tx, db.clock().now()).await?,
        _ => None,
    };
    tx.commit_lazily().await?;
    count(relayed);
    Ok((relayed, early.map(Early::take).unwrap_or_default()))
}

fn count(relayed: Relayed) {
    let count =
        |name: &'static str, rows: i64| metrics::counter!(name).increment(rows.unsigned_abs());
    count("outbox_relayed_total", relayed.events);
    count("webhook_deliveries_created_total", relayed.deliveries);
    count("webhook_filtered_total", relayed.filtered);
    metrics::counter!("webhook_deliveries_total", "outcome" => "skipped")
        .increment(relayed.skipped.unsigned_abs());
}

/// A batch, and the lines that something was added to.
struct Batch {
    events: i64,
    deliveries: i64,
    skipped: i64,
    filtered: i64,
    webhooks: Vec<Uuid>,
    records: Vec<Uuid>,
}

async fn take_batch(tx: &mut SystemTx) -> sqlx::Result<Relayed> {
    let opt_in: Vec<String> = EXTENSIONS.iter().map(|event| event.as_str().to_owned()).collect();
    let batch = sqlx::query_file_as!(Batch, "src/relay.sql", BATCH, &opt_in, REMEMBERED)
        .fetch_one(tx.conn())
        .await?;
    lines::advance(tx, &batch.webhooks, &batch.records).await?;
    let Batch { events, deliveries, skipped, filtered, .. } = batch;
    Ok(Relayed { events, deliveries, skipped, filtered })
}
