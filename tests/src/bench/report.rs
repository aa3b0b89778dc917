//! What the benchmark says, for programs: the shape of `target/bench.json`.

use serde::Serialize;

use super::cpu::{Cpu, micros_each};
use super::latency::{Latencies, median};
use super::machine::Machine;
use super::memory::Memory;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub rows: Vec<Row>,
}

/// One kind of work. Every figure is the median of its rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub id: &'static str,
    pub ours: f64,
    /// What the machine does for the same work without us.
    pub limit: f64,
    pub unit: &'static str,
    /// Ours ÷ limit.
    pub ratio: f64,
    /// The ratio to reach, or the most milliseconds where the unit is those.
    pub target: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Ours, round by round.
    pub rounds: Vec<f64>,
    pub cpu_us: CpuMicros,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Vec<Rate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<Workers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_p99_ms: Option<f64>,
    #[serde(flatten)]
    pub memory: Option<Memory>,
    /// Microseconds of load generator and receiver for each operation.
    #[serde(skip)]
    pub bench_us: f64,
    /// What others took of this machine meanwhile, in percent of all cores.
    #[serde(skip)]
    pub others_percent: f64,
}

/// Microseconds of CPU time for each operation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CpuMicros {
    /// The product's programs.
    pub ours: f64,
    /// PostgreSQL under them.
    pub postgres: f64,
    /// Everything that the limit needs: its client, and PostgreSQL where there is one.
    pub limit: f64,
}

/// B5 at one rate of events.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    pub per_second: u32,
    /// From the start of the call to the first byte at the receiver.
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    /// From the start of the call to its answer, without a worker.
    pub answer_p50_ms: f64,
    /// From the start of a POST to its first byte at the receiver, without api, worker and database.
    #[serde(skip)]
    pub bare_p50_ms: f64,
    /// From the answer to the first byte at the receiver.
    #[serde(skip)]
    pub after_answer_p50_ms: f64,
    /// How late the generator began its calls.
    #[serde(skip)]
    pub late_p99_ms: f64,
}

/// B9 with so many workers beside one another.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Workers {
    #[serde(rename = "workers")]
    pub count: usize,
    pub per_second: f64,
    /// Microseconds for each delivery, PostgreSQL's included.
    pub cpu_us: f64,
    /// Deliveries that arrived twice, in all rounds.
    pub duplicates: usize,
}

/// So many operations, how long they took and what they cost.
#[derive(Clone, Debug)]
pub struct Measured {
    pub count: u32,
    pub seconds: f64,
    pub cpu: Cpu,
    /// Of each operation, where that says something.
    pub latencies: Option<Latencies>,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        f64::from(self.count) / self.seconds
    }
}

/// One round of ours and one of the limit beside it.
#[derive(Clone, Debug)]
pub struct Round {
    pub ours: Measured,
    pub limit: Measured,
}

impl Row {
    /// Operations a second: the medians of the rounds.
    pub fn of_rounds(id: &'static str, target: f64, rounds: &[Round]) -> Self {
        let middle = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
        let percentile = |percent: f64| {
            let each = rounds
                .iter()
                .map(|round| Some(round.ours.latencies.as_ref()?.percentile_ms(percent)));
            each.collect::<Option<Vec<f64>>>().map(median)
        };
        let ours = middle(&|round| round.ours.per_second());
        let limit = middle(&|round| round.limit.per_second());
        Self {
            id,
            ours,
            limit,
            unit: "per_second",
            ratio: ours / limit,
            target,
            p50_ms: percentile(50.0),
            p99_ms: percentile(99.0),
            rounds: rounds.iter().map(|round| round.ours.per_second()).collect(),
            cpu_us: CpuMicros {
                ours: middle(&|round| micros_each(round.ours.cpu.ours, round.ours.count)),
                postgres: middle(&|round| micros_each(round.ours.cpu.postgres, round.ours.count)),
                limit: middle(&|round| {
                    micros_each(round.limit.cpu.postgres + round.limit.cpu.tools, round.limit.count)
                }),
            },
            rates: None,
            workers: None,
            idle_p99_ms: None,
            busy_p99_ms: None,
            memory: None,
            bench_us: middle(&|round| micros_each(round.ours.cpu.bench, round.ours.count)),
            others_percent: middle(&|round| round.ours.cpu.others_percent(round.ours.seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn measured(count: u32, micros: u64) -> Measured {
        let cpu = Cpu {
            ours: Duration::from_micros(micros),
            tools: Duration::from_micros(5),
            ..Cpu::default()
        };
        Measured { count, seconds: 2.0, cpu, latencies: None }
    }

    #[test]
    fn a_row_is_the_median_of_its_rounds() {
        let rounds = [(10, 30), (90, 20), (20, 40)];
        let rounds = rounds
            .map(|(ours, limit)| Round { ours: measured(ours, 180), limit: measured(limit, 0) });
        let row = Row::of_rounds("B1", 0.7, &rounds);
        let figures = [row.ours, row.limit, row.ratio, row.cpu_us.ours];
        assert_eq!(
            figures.map(|figure| format!("{figure:.2}")),
            ["10.00", "15.00", "0.67", "9.00"]
        );
        assert_eq!((row.rounds.len(), row.p50_ms), (3, None));
    }
}
