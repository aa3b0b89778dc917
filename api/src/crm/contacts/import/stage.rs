//! Rows on their way from an upload: few are held and imported at once, many are kept for the worker as they arrive,
//! in short transactions, so that none is open while a client sends.

use shared::id::ImportId;
use shared::import::apply::Done;
use shared::import::chunks::{self, Pending};
use shared::import::{INLINE, Import, Status, rows as outcomes, run, store};
use shared::{Clock, TenantTx};

use super::options::{Options, Waits};
use super::rows::{NewRow, Rows, Source};
use super::upload::Upload;
use super::{meanwhile, with_errors};
use crate::App;
use crate::auth::Caller;
use crate::changes;
use crate::error::{Error, Result};
use crate::http::{Accepted, Data, Reply};

/// The most bytes of rows that are held in memory: 4 MiB.
const SMALL: usize = 4 * 1024 * 1024;

/// Receives the rows and imports them, or leaves them to the worker.
pub(super) async fn receive(
    app: &App,
    caller: &Caller,
    options: Options,
    upload: Upload,
    path: &str,
) -> Result<Reply> {
    let (chunks, source) = Source::new();
    let pump = tokio::spawn(chunks.pump(upload.bytes));
    let mut rows = Rows::read(upload.format, source, options, app.config.clone());
    let (mut few, mut bytes, mut many) = (Vec::new(), 0, None);
    let mut received = Ok(());
    while let Some(batch) = rows.next().await {
        bytes += batch.iter().map(|row| row.sent.input.len()).sum::<usize>();
        few.extend(batch);
        let small = few.len() <= INLINE && bytes <= SMALL;
        if many.is_none() && (!small || options.waits == Waits::Never) {
            many = Some(Stage::new(app, caller, options));
        }
        received = match &mut many {
            Some(_) if options.waits == Waits::Always => Err(Error::PayloadTooLarge(SMALL)),
            Some(stage) => stage.keep(std::mem::take(&mut few)).await,
            None => Ok(()),
        };
        if received.is_err() {
            break;
        }
    }
    let read = rows.end().await;
    // Whatever the client still sends is thrown away, so that it gets the answer instead of a reset.
    let _ = pump.await;
    match many {
        None => {
            read?;
            at_once(app, caller, options, few).await
        }
        Some(stage) => match received.and(read) {
            Ok(()) => stage.hand_over(path).await,
            Err(error) => Err(stage.give_up(error).await),
        },
    }
}

/// A new import of nothing so far.
fn new(caller: &Caller, options: Options, clock: &Clock) -> Import {
    let now = clock.now();
    Import {
        id: ImportId::fresh(now),
        tenant_id: caller.tenant,
        status: Status::Uploading,
        mode: options.mode,
        match_by: options.match_by,
        atomic: options.atomic,
        events: options.events,
        dry_run: options.dry_run,
        total: 0,
        processed: 0,
        created: 0,
        updated: 0,
        skipped: 0,
        failed: 0,
        undone: 0,
        kept: 0,
        error: None,
        errors: None,
        created_at: now,
        updated_at: now,
        started_at: None,
        finished_at: None,
        undoable_until: None,
        version: 1,
    }
}

async fn at_once(app: &App, caller: &Caller, options: Options, rows: Vec<NewRow>) -> Result<Reply> {
    if rows.is_empty() {
        return Err(Error::field("rows", options.most().1));
    }
    let mut import = new(caller, options, app.db.clock());
    let mut tx = app.begin(caller).await?;
    let done = async {
        store::lock_erasures(&mut tx).await?;
        store::insert(&mut tx, &import).await?;
        let pending = sift(&mut tx, &mut import, rows).await?;
        run::whole(&mut tx, &mut import, pending).await.map_err(meanwhile)?;
        store::save(&mut tx, &mut import).await?;
        changes::created(&mut tx, &import)?;
        with_errors(&mut tx, import).await.map(Data)
    }
    .await;
    app.commit(caller, tx, done).await
}

/// Counts new rows, and records the faulty ones at once; the others wait.
async fn sift(
    tx: &mut TenantTx,
    import: &mut Import,
    rows: Vec<NewRow>,
) -> sqlx::Result<Vec<Pending>> {
    import.total += i32::try_from(rows.len()).unwrap_or(i32::MAX);
    let (mut pending, mut failed) = (Vec::new(), Vec::new());
    for NewRow { sent, read } in rows {
        match read {
            Ok(patch) => pending.push(Pending { sent, patch }),
            Err(fault) => failed.push(Done::failed(sent, fault)),
        }
    }
    import.count(&failed);
    outcomes::record(tx, import.id, &failed).await?;
    Ok(pending)
}

/// An import whose rows are arriving.
struct Stage<'a> {
    app: &'a App,
    caller: &'a Caller,
    import: Import,
    begun: bool,
}

impl<'a> Stage<'a> {
    fn new(app: &'a App, caller: &'a Caller, options: Options) -> Self {
        Self { app, caller, import: new(caller, options, app.db.clock()), begun: false }
    }

    async fn keep(&mut self, rows: Vec<NewRow>) -> Result<()> {
        let mut tx = self.app.begin(self.caller).await?;
        let kept = async {
            if !self.begun {
                store::lock_erasures(&mut tx).await?;
                store::insert(&mut tx, &self.import).await?;
            }
            let pending = sift(&mut tx, &mut self.import, rows).await?;
            chunks::keep(&mut tx, self.import.id, &pending).await?;
            store::save(&mut tx, &mut self.import).await
        }
        .await;
        tx.finish(kept).await?;
        self.begun = true;
        Ok(())
    }

    /// From here on it is the worker's. The import itself is no rehearsal, even if its contacts are.
    async fn hand_over(mut self, path: &str) -> Result<Reply> {
        if self.import.total == 0 {
            let error = Error::field("rows", "Must be at least 1");
            return Err(self.give_up(error).await);
        }
        let mut caller = self.caller.clone();
        caller.terms.dry_run = false;
        let mut tx = self.app.begin(&caller).await?;
        self.import.status = Status::Queued;
        let queued = async {
            store::save(&mut tx, &mut self.import).await?;
            changes::created(&mut tx, &self.import)?;
            tx.wake();
            let data = with_errors(&mut tx, self.import.clone()).await?;
            Ok(Accepted { location: format!("{path}/{}", data.id), data })
        }
        .await;
        match self.app.commit(&caller, tx, queued).await {
            Ok(reply) => Ok(reply),
            // A commit whose fate is unknown may have taken place, and the worker has it.
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    /// Leaves nothing behind; what cannot be removed now the worker sweeps up.
    async fn give_up(self, error: Error) -> Error {
        let removed = async {
            let mut tx = self.app.begin(self.caller).await?;
            let removed = store::remove(&mut tx, self.import.id).await;
            tx.finish(removed.map_err(Error::from)).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "a broken upload could not be removed");
        }
        error
    }
}
