//! B4, B6 and B9: workers drain pending deliveries that wait in the table. The limit of B4: the bare loop with the
//! worker's client. That of B6, whose table has been in use: B4. B9 is B4 with more workers.
//!
//! The relay has no part in it. The workers are up and idle, as the bare loop's client is, before the deliveries may
//! go. From then the clock runs to the last arrival, and CPU time until every outcome is written down.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::backlog::{age, empty, fill, hold, let_go, wait_until_written};
use super::bare_loop::{self, Task};
use super::cpu::micros_each;
use super::latency::median;
use super::options::Options;
use super::program::Program;
use super::report::{Measured, Round, Row, Workers};
use super::stage::Stage;
use super::subscribers::Subscribers;
use crate::servers::Result;

/// The shipped `WORKER_CONCURRENCY`.
const CONCURRENCY: u32 = 256;

/// A drain that takes longer has failed.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// What a worker does behind its start, such as its first claims, is done by then.
const SETTLED: Duration = Duration::from_secs(2);

/// Workers beside one another in B9.
const WORKERS: [usize; 3] = [1, 2, 4];

/// Everything that the rows need.
pub struct Drains<'a> {
    pub stage: &'a Stage,
    pub options: &'a Options,
    pub subscribers: &'a Subscribers,
}

/// What a drain came to.
struct Drained {
    measured: Measured,
    duplicates: usize,
}

impl Drains<'_> {
    fn count(&self) -> u32 {
        self.options.backlog
    }

    /// Runs B4.
    ///
    /// # Errors
    /// When something fails, or a delivery is made twice or never.
    pub async fn against_bare_loop(&self) -> Result<Row> {
        let mut session = self.stage.superuser().await?;
        let task = Task {
            receivers: self.subscribers.receivers.addresses.clone(),
            posts: self.count(),
            concurrency: CONCURRENCY,
        };
        self.fresh(&mut session, self.count() / 10, 1).await?;
        let mut rounds = Vec::new();
        for _ in 0..self.options.rounds() {
            let limit = bare_loop::measure(&task).await?;
            self.subscribers.receivers.take();
            let ours = self.fresh(&mut session, self.count(), 1).await?.once()?;
            rounds.push(Round { ours, limit });
        }
        Ok(Row::of_rounds("B4", 0.50, &rounds))
    }

    /// Runs B6. The rounds of the limit are before and behind those of ours: to fill the table takes longer than all.
    ///
    /// # Errors
    /// When something fails, or a delivery is made twice or never.
    pub async fn in_an_old_table(&self) -> Result<Row> {
        let mut session = self.stage.superuser().await?;
        let (mut limits, mut ours) = (Vec::new(), Vec::new());
        self.fresh(&mut session, self.count() / 10, 1).await?;
        for _ in 0..self.options.rounds() {
            limits.push(self.fresh(&mut session, self.count(), 1).await?.once()?);
        }
        age(&mut session, self.options.quick).await?;
        for _ in 0..self.options.rounds() {
            fill(&mut session, self.count(), None).await?;
            ours.push(self.drain(&mut session, self.count(), 1).await?.once()?);
        }
        for _ in 0..self.options.rounds() {
            limits.push(self.fresh(&mut session, self.count(), 1).await?.once()?);
        }
        // Each round of ours beside one before it and one behind it.
        let before_and_behind = ours.iter().chain(&ours).cloned();
        let rounds = before_and_behind.zip(limits).map(|(ours, limit)| Round { ours, limit });
        Ok(Row::of_rounds("B6", 0.90, &rounds.collect::<Vec<_>>()))
    }

    /// Runs B9. What stands as ours is the rate of all four workers, as the limit that of one.
    ///
    /// # Errors
    /// When something fails, or a delivery is never made.
    pub async fn with_more_workers(&self) -> Result<Row> {
        let mut session = self.stage.superuser().await?;
        self.fresh(&mut session, self.count() / 10, 1).await?;
        let mut drains = WORKERS.map(|_| Vec::new());
        for _ in 0..self.options.rounds() {
            for (workers, drains) in WORKERS.into_iter().zip(&mut drains) {
                drains.push(self.fresh(&mut session, self.count(), workers).await?);
            }
        }
        let workers = WORKERS.into_iter().zip(&drains).map(|(count, drains)| {
            let middle = |figure: fn(&Measured) -> f64| {
                median(drains.iter().map(|one| figure(&one.measured)))
            };
            Workers {
                count,
                per_second: middle(Measured::per_second),
                cpu_us: middle(|one| micros_each(one.cpu.ours + one.cpu.postgres, one.count)),
                duplicates: drains.iter().map(|drain| drain.duplicates).sum(),
            }
        });
        let workers = workers.collect();
        let [one, .., four] = drains;
        let rounds = four.into_iter().zip(one);
        let rounds = rounds.map(|(four, one)| Round { ours: four.measured, limit: one.measured });
        let row = Row::of_rounds("B9", 1.0, &rounds.collect::<Vec<_>>());
        Ok(Row { workers: Some(workers), ..row })
    }

    /// Drains so many deliveries, of which nothing is left before and behind.
    async fn fresh(
        &self,
        session: &mut PgConnection,
        count: u32,
        workers: usize,
    ) -> Result<Drained> {
        empty(session).await?;
        fill(session, count, None).await?;
        let drained = self.drain(session, count, workers).await;
        empty(session).await?;
        drained
    }

    /// One after the other, each as soon as the one before is ready.
    async fn start(&self, count: usize) -> Result<Vec<Program>> {
        let mut workers = Vec::new();
        while workers.len() < count {
            workers.push(self.stage.worker().await?);
        }
        Ok(workers)
    }

    async fn drain(
        &self,
        session: &mut PgConnection,
        count: u32,
        workers: usize,
    ) -> Result<Drained> {
        hold(session).await?;
        let workers = self.start(workers).await?;
        tokio::time::sleep(SETTLED).await;
        let meter = self.stage.meter(&workers.iter().collect::<Vec<_>>())?;
        let before = meter.read()?;
        let started = Instant::now();
        let_go(session).await?;
        let receivers = &self.subscribers.receivers;
        receivers.wait_for(count as usize, PATIENCE).await?;
        wait_until_written(session, PATIENCE).await?;
        let cpu = meter.read()? - before;
        for worker in workers {
            worker.stop().await?;
        }
        let arrivals = receivers.take();
        let different: HashSet<_> = arrivals.iter().map(|arrival| arrival.delivery).collect();
        let last = arrivals.iter().map(|arrival| arrival.at).max().unwrap_or(started);
        let seconds = (last - started).as_secs_f64();
        Ok(Drained {
            measured: Measured { count, seconds, cpu, latencies: None },
            duplicates: arrivals.len() - different.len(),
        })
    }
}

impl Drained {
    /// Itself, if no delivery was made twice.
    fn once(self) -> Result<Measured> {
        if self.duplicates > 0 {
            let (twice, count) = (self.duplicates, self.measured.count);
            return Err(format!("{twice} of {count} deliveries were made twice").into());
        }
        Ok(self.measured)
    }
}
