//! Writes outcomes down, many at once. An outcome counts only while its lease does: whoever lost the lease lost the
//! say. A database in trouble is waited for; the slots stay taken meanwhile, which slows the claiming down.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::Db;
use shared::id::AttemptId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::{Claimed, Delivery, Slot};
use crate::retry::Next;

/// Outcomes written in one transaction.
const BATCH: usize = 500;

/// How long outcomes may wait for a database in trouble when the worker ends.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What follows.
    pub next: Next,
    /// When the attempt ended.
    pub ended: DateTime<Utc>,
    /// The attempt itself.
    pub attempt: AttemptRecord,
}

/// One attempt as it is logged.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// 1 to 5 within its cycle.
    pub attempt: u32,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub latency: Duration,
    /// How long the answer took to begin.
    pub first_byte: Option<Duration>,
    /// The answer's status.
    pub status_code: Option<u16>,
    /// What went wrong: a stable code.
    pub error_code: Option<&'static str>,
    /// The same for people.
    pub error: Option<String>,
    /// The first bytes of the answer.
    pub excerpt: Option<String>,
}

/// Where outcomes are handed in; cheap to clone.
#[derive(Clone, Debug)]
pub struct Records(mpsc::UnboundedSender<Entry>);

#[derive(Debug)]
struct Entry {
    delivery: Delivery,
    /// `None` hands the delivery back unbegun.
    report: Option<Report>,
    /// Freed once the outcome is written.
    _slot: Slot,
}

impl Records {
    /// Hands in an outcome.
    pub fn report(&self, report: Report, delivery: Delivery, slot: Slot) {
        self.send(Entry { delivery, report: Some(report), _slot: slot });
    }

    /// Gives a delivery back that was claimed but not begun.
    pub fn hand_back(&self, claimed: Claimed) {
        self.send(Entry { delivery: claimed.delivery, report: None, _slot: claimed.slot });
    }

    fn send(&self, entry: Entry) {
        // The recorder ends last; should it be gone, the lease runs out and the attempt is made again.
        let _ = self.0.send(entry);
    }
}

/// Writes what [`Records`] are handed.
#[derive(Debug)]
pub struct Recorder {
    entries: mpsc::UnboundedReceiver<Entry>,
}

/// A recorder and where to hand outcomes in.
#[must_use]
pub fn recorder() -> (Records, Recorder) {
    let (sender, entries) = mpsc::unbounded_channel();
    (Records(sender), Recorder { entries })
}

impl Recorder {
    /// Writes until `stop`, then what is left. `stop` is for after the last attempt has ended.
    pub async fn run(mut self, db: Db, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                received = self.entries.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = stop.cancelled() => break,
            }
            write_surely(&db, &mut batch, &stop).await;
        }
        self.entries.close();
        while self.entries.recv_many(&mut batch, BATCH).await > 0 {
            write_surely(&db, &mut batch, &stop).await;
        }
    }

    /// Writes everything handed in so far, once.
    ///
    /// # Errors
    /// The database's; nothing was written then.
    pub async fn flush(&mut self, db: &Db) -> sqlx::Result<usize> {
        let mut batch = Vec::new();
        while let Ok(entry) = self.entries.try_recv() {
            batch.push(entry);
        }
        write(db, &batch).await?;
        Ok(batch.len())
    }
}

async fn write_surely(db: &Db, batch: &mut Vec<Entry>, stop: &CancellationToken) {
    let mut pause = crate::queue::Pause::default();
    let never = CancellationToken::new();
    let mut last = None;
    loop {
        match write(db, batch).await {
            Ok(()) => break batch.clear(),
            Err(error) => {
                if stop.is_cancelled() {
                    let since = *last.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() > LAST_PATIENCE {
                        let outcomes = batch.len();
                        tracing::error!(outcomes, %error, "outcomes could not be written; the attempts will be made again");
                        break batch.clear();
                    }
                }
                pause.after(&error, "recording", &never).await;
            }
        }
    }
}

async fn write(db: &Db, batch: &[Entry]) -> sqlx::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut tx = db.system().await?;
    let reported: Vec<(&Delivery, &Report)> =
        batch.iter().filter_map(|entry| Some((&entry.delivery, entry.report.as_ref()?))).collect();
    if !reported.is_empty() {
        log_attempts(&mut tx, db, &reported).await?;
        write_outcomes(&mut tx, &reported).await?;
        disable_gone(&mut tx, &reported).await?;
    }
    let unbegun: Vec<&Delivery> =
        batch.iter().filter(|entry| entry.report.is_none()).map(|entry| &entry.delivery).collect();
    if !unbegun.is_empty() {
        hand_back(&mut tx, db, &unbegun).await?;
    }
    tx.commit_lazily().await
}

/// `attempts` is counted here and not at the claim: a crash or a deployment never costs one of the five.
async fn write_outcomes(
    tx: &mut shared::SystemTx,
    reports: &[(&Delivery, &Report)],
) -> sqlx::Result<()> {
    let each = |f: &dyn Fn(&Delivery, &Report) -> Uuid| {
        reports.iter().map(|(d, r)| f(d, r)).collect::<Vec<_>>()
    };
    let statuses: Vec<String> =
        reports.iter().map(|(_, report)| status(report.next).to_owned()).collect();
    let retries: Vec<Option<DateTime<Utc>>> = reports
        .iter()
        .map(|(_, report)| match report.next {
            Next::At(time) => Some(time),
            _ => None,
        })
        .collect();
    let codes: Vec<Option<i32>> =
        reports.iter().map(|(_, report)| report.attempt.status_code.map(i32::from)).collect();
    let errors: Vec<Option<String>> =
        reports.iter().map(|(_, report)| report.attempt.error_code.map(str::to_owned)).collect();
    let ended: Vec<DateTime<Utc>> = reports.iter().map(|(_, report)| report.ended).collect();
    let written = sqlx::query!(
        r#"update webhook_events e
           set status = o.status, attempts = e.attempts + 1, next_retry = o.next_retry, lease_id = null, claims = 0,
               last_status_code = o.code, last_error = o.error,
               delivered_at = case when o.status = 'delivered' then o.ended end
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::int[], $7::text[],
                       $8::timestamptz[]) as o (tenant_id, id, lease_id, status, next_retry, code, error, ended)
           where e.tenant_id = o.tenant_id and e.id = o.id and e.lease_id = o.lease_id"#,
        &each(&|delivery, _| delivery.tenant.0),
        &each(&|delivery, _| delivery.id.0),
        &each(&|delivery, _| delivery.lease.0),
        &statuses,
        &retries as &[Option<DateTime<Utc>>],
        &codes as &[Option<i32>],
        &errors as &[Option<String>],
        &ended,
    )
    .execute(tx.conn())
    .await?;
    let fenced = (reports.len() as u64).saturating_sub(written.rows_affected());
    if fenced > 0 {
        metrics::counter!("webhook_outcomes_fenced_total").increment(fenced);
        tracing::warn!(fenced, "outcomes came after their lease had ended");
    }
    for (_, report) in reports {
        if !matches!(report.next, Next::At(_)) {
            metrics::counter!("webhook_deliveries_total", "outcome" => status(report.next))
                .increment(1);
        }
    }
    Ok(())
}

fn status(next: Next) -> &'static str {
    match next {
        Next::Done => "delivered",
        Next::At(_) => "pending",
        Next::GiveUp | Next::Disable => "failed",
    }
}

async fn log_attempts(
    tx: &mut shared::SystemTx,
    db: &Db,
    reports: &[(&Delivery, &Report)],
) -> sqlx::Result<()> {
    let now = db.clock().now();
    let column = |f: &dyn Fn(&Delivery, &AttemptRecord) -> i32| {
        reports.iter().map(|(delivery, report)| f(delivery, &report.attempt)).collect::<Vec<_>>()
    };
    let tenants: Vec<Uuid> = reports.iter().map(|(delivery, _)| delivery.tenant.0).collect();
    let deliveries: Vec<Uuid> = reports.iter().map(|(delivery, _)| delivery.id.0).collect();
    let ids: Vec<Uuid> = reports.iter().map(|_| AttemptId::fresh(now).0).collect();
    let triggers: Vec<String> =
        reports.iter().map(|(delivery, _)| delivery.trigger.clone()).collect();
    let started: Vec<DateTime<Utc>> =
        reports.iter().map(|(_, report)| report.attempt.started).collect();
    let first_bytes: Vec<Option<i32>> =
        reports.iter().map(|(_, report)| report.attempt.first_byte.map(whole_millis)).collect();
    let codes: Vec<Option<i32>> =
        reports.iter().map(|(_, report)| report.attempt.status_code.map(i32::from)).collect();
    let error_codes: Vec<Option<String>> =
        reports.iter().map(|(_, report)| report.attempt.error_code.map(str::to_owned)).collect();
    let errors: Vec<Option<String>> =
        reports.iter().map(|(_, report)| report.attempt.error.clone()).collect();
    let excerpts: Vec<Option<String>> =
        reports.iter().map(|(_, report)| report.attempt.excerpt.clone()).collect();
    sqlx::query!(
        "insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms,
                                       first_byte_ms, status_code, error_code, error, excerpt)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::text[], $7::timestamptz[],
                              $8::int[], $9::int[], $10::int[], $11::text[], $12::text[], $13::text[])",
        &tenants,
        &deliveries,
        &ids,
        &column(&|delivery, _| delivery.cycle),
        &column(&|_, attempt| i32::try_from(attempt.attempt).unwrap_or(i32::MAX)),
        &triggers,
        &started,
        &column(&|_, attempt| whole_millis(attempt.latency)),
        &first_bytes as &[Option<i32>],
        &codes as &[Option<i32>],
        &error_codes as &[Option<String>],
        &errors as &[Option<String>],
        &excerpts as &[Option<String>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn whole_millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// A 410 switches the webhook off; what is pending for it is held.
async fn disable_gone(
    tx: &mut shared::SystemTx,
    reports: &[(&Delivery, &Report)],
) -> sqlx::Result<()> {
    for (delivery, report) in reports.iter().filter(|(_, report)| report.next == Next::Disable) {
        tracing::warn!(webhook_id = %delivery.webhook, "the receiver answered 410; its webhook is switched off");
        sqlx::query!(
            "update webhooks set active = false, disabled_reason = 'gone', updated_at = $3
             where tenant_id = $1 and id = $2 and active",
            delivery.tenant.0,
            delivery.webhook.0,
            report.ended,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn hand_back(tx: &mut shared::SystemTx, db: &Db, unbegun: &[&Delivery]) -> sqlx::Result<()> {
    let tenants: Vec<Uuid> = unbegun.iter().map(|delivery| delivery.tenant.0).collect();
    let ids: Vec<Uuid> = unbegun.iter().map(|delivery| delivery.id.0).collect();
    let leases: Vec<Uuid> = unbegun.iter().map(|delivery| delivery.lease.0).collect();
    sqlx::query!(
        "update webhook_events e set next_retry = $4, lease_id = null, claims = e.claims - 1
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as o (tenant_id, id, lease_id)
         where e.tenant_id = o.tenant_id and e.id = o.id and e.lease_id = o.lease_id",
        &tenants,
        &ids,
        &leases,
        db.clock().now(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
