//! B5: how long a change takes to reach its receiver, from the start of the call to the first byte. Beside it: the
//! api's answer without a worker, and a bare POST of the worker's client.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::backlog::empty;
use super::bare_loop::{client, post};
use super::cpu::{Cpu, micros_each};
use super::latency::{Latencies, median};
use super::load::Window;
use super::open_loop::{Call, create_contacts};
use super::options::Options;
use super::pace::{Distances, events};
use super::program::Program;
use super::report::{CpuMicros, Rate, Row};
use super::requests::Numbers;
use super::signed::{Message, keys};
use super::stage::{Stage, execute};
use super::subscribers::Subscribers;
use crate::servers::Result;

/// The rate whose figures stand for the row, and the most milliseconds that its median may take.
const MAIN: (u32, f64) = (50, 2.8);

/// How long the last deliveries may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that the row needs.
struct Bench<'a> {
    stage: &'a Stage,
    options: &'a Options,
    numbers: &'a Numbers,
    subscribers: &'a Subscribers,
}

/// One rate in one round.
struct Trial {
    rate: Rate,
    count: u32,
    cpu: Cpu,
    seconds: f64,
    answer_cpu_us: f64,
}

/// The answers of the api alone: their median in milliseconds and what each cost.
struct Answers {
    p50_ms: f64,
    cpu_us: f64,
}

/// Runs the row.
///
/// # Errors
/// When a call or a delivery fails.
pub async fn run(
    stage: &Stage,
    options: &Options,
    numbers: &Numbers,
    subscribers: &Subscribers,
) -> Result<Row> {
    let bench = Bench { stage, options, numbers, subscribers };
    let mut session = stage.superuser().await?;
    let api = stage.api().await?;
    let mut trials: Vec<Vec<Trial>> = options.rates.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds() {
        let mut beside = Vec::new();
        for rate in &options.rates {
            beside.push((bench.answers(*rate, &api).await?, bench.bare(*rate).await?));
        }
        empty(&mut session).await?;
        let settled = ["vacuum (analyze) webhook_events, webhook_queue, events", "checkpoint"];
        execute(&mut session, settled).await?;
        let worker = stage.worker().await?;
        for ((rate, trials), (answers, bare)) in options.rates.iter().zip(&mut trials).zip(beside) {
            trials.push(bench.trial(*rate, &[&api, &worker], &answers, bare).await?);
        }
        worker.stop().await?;
    }
    api.stop().await?;
    Ok(row(&trials))
}

impl Bench<'_> {
    fn window(&self, length: Duration) -> (Window, Instant) {
        (Window::after(self.options.warm_up(), length), Instant::now())
    }

    fn distances(&self) -> Distances {
        if self.options.even { Distances::Even } else { Distances::Random }
    }

    /// Half as long as the trials: far fewer things can disturb it.
    fn beside(&self) -> Duration {
        self.options.measurement() / 2
    }

    /// Calls at this rate, and what the programs cost meanwhile.
    async fn calls(
        &self,
        rate: u32,
        length: Duration,
        programs: &[&Program],
    ) -> Result<(Vec<Call>, Cpu, Window)> {
        let (window, now) = self.window(length);
        let due = events(rate, self.distances(), now, window.until);
        let calls =
            create_contacts(self.stage.api_address, &self.subscribers.tenants, self.numbers, due);
        let meter = self.stage.meter(programs)?;
        let (calls, cpu) = tokio::try_join!(calls, window.metered(&meter))?;
        Ok((calls, cpu, window))
    }

    async fn answers(&self, rate: u32, api: &Program) -> Result<Answers> {
        let (calls, cpu, window) = self.calls(rate, self.beside(), &[api]).await?;
        let counted = calls.iter().filter(|call| window.contains(call.due));
        let latencies: Latencies = counted.map(|call| call.answered - call.started).collect();
        let cpu_us = micros_each(cpu.ours + cpu.postgres, latencies.count());
        Ok(Answers { p50_ms: latencies.percentile_ms(50.0), cpu_us })
    }

    /// The median of bare POSTs at this rate, in milliseconds.
    async fn bare(&self, rate: u32) -> Result<f64> {
        let (client, keys) = (client()?, keys()?);
        let receivers = &self.subscribers.receivers;
        let (window, now) = self.window(self.beside());
        let mut due = events(rate, self.distances(), now, window.until);
        let (mut started, mut posts) = (HashMap::new(), JoinSet::new());
        while let Some(event) = due.recv().await {
            let number = self.numbers.next();
            let Message { headers, body } = Message::new(&keys, number)?;
            let address = receivers.addresses[usize::try_from(number)? % receivers.addresses.len()];
            let client = client.clone();
            if window.contains(event) {
                started.insert(number, Instant::now());
            }
            posts.spawn(async move {
                post(&client, &format!("http://{address}/"), headers, body).await
            });
            while let Some(ended) = posts.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = posts.join_next().await {
            ended??;
        }
        let arrivals = receivers.take();
        let counted = arrivals
            .iter()
            .filter_map(|arrival| Some(arrival.at - *started.get(&arrival.number?)?));
        Ok(counted.collect::<Latencies>().percentile_ms(50.0))
    }

    async fn trial(
        &self,
        rate: u32,
        programs: &[&Program],
        answers: &Answers,
        bare: f64,
    ) -> Result<Trial> {
        let (calls, cpu, window) = self.calls(rate, self.options.measurement(), programs).await?;
        self.subscribers.receivers.wait_for(calls.len(), PATIENCE).await?;
        let arrivals = self.subscribers.receivers.take();
        let arrived: HashMap<u64, Instant> =
            arrivals.iter().filter_map(|arrival| Some((arrival.number?, arrival.at))).collect();
        let (mut all, mut after, mut late) = (Latencies::new(), Latencies::new(), Latencies::new());
        for call in calls.iter().filter(|call| window.contains(call.due)) {
            let at = *arrived
                .get(&call.number)
                .ok_or("a delivery is missing though the count is right")?;
            all.record(at - call.started);
            after.record(at.saturating_duration_since(call.answered));
            late.record(call.started - call.due);
        }
        let rate = Rate {
            per_second: rate,
            p50_ms: all.percentile_ms(50.0),
            p95_ms: all.percentile_ms(95.0),
            p99_ms: all.percentile_ms(99.0),
            answer_p50_ms: answers.p50_ms,
            bare_p50_ms: bare,
            after_answer_p50_ms: after.percentile_ms(50.0),
            late_p99_ms: late.percentile_ms(99.0),
        };
        Ok(Trial {
            rate,
            count: all.count(),
            cpu,
            seconds: window.seconds(),
            answer_cpu_us: answers.cpu_us,
        })
    }
}

/// The medians of the rounds; those of the main rate stand for the row.
fn row(trials: &[Vec<Trial>]) -> Row {
    let rates: Vec<Rate> = trials.iter().map(|rounds| rate(rounds)).collect();
    let at = rates.iter().position(|rate| rate.per_second == MAIN.0).unwrap_or_default();
    let (main, rounds) = (rates[at], &trials[at]);
    let middle = |figure: fn(&Trial) -> f64| median(rounds.iter().map(figure));
    let limit = main.answer_p50_ms + main.bare_p50_ms;
    Row {
        id: "B5",
        ours: main.p50_ms,
        limit,
        unit: "p50_ms",
        ratio: main.p50_ms / limit,
        target: MAIN.1,
        p50_ms: Some(main.p50_ms),
        p99_ms: Some(main.p99_ms),
        rounds: rounds.iter().map(|trial| trial.rate.p50_ms).collect(),
        cpu_us: CpuMicros {
            ours: middle(|trial| micros_each(trial.cpu.ours, trial.count)),
            postgres: middle(|trial| micros_each(trial.cpu.postgres, trial.count)),
            limit: middle(|trial| trial.answer_cpu_us),
        },
        rates: Some(rates),
        workers: None,
        idle_p99_ms: None,
        busy_p99_ms: None,
        memory: None,
        bench_us: middle(|trial| micros_each(trial.cpu.bench, trial.count)),
        others_percent: middle(|trial| trial.cpu.others_percent(trial.seconds)),
    }
}

fn rate(rounds: &[Trial]) -> Rate {
    let middle = |figure: fn(&Rate) -> f64| median(rounds.iter().map(|trial| figure(&trial.rate)));
    Rate {
        per_second: rounds.first().map_or(0, |trial| trial.rate.per_second),
        p50_ms: middle(|rate| rate.p50_ms),
        p95_ms: middle(|rate| rate.p95_ms),
        p99_ms: middle(|rate| rate.p99_ms),
        answer_p50_ms: middle(|rate| rate.answer_p50_ms),
        bare_p50_ms: middle(|rate| rate.bare_p50_ms),
        after_answer_p50_ms: middle(|rate| rate.after_answer_p50_ms),
        late_p99_ms: middle(|rate| rate.late_p99_ms),
    }
}
