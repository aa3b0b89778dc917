//! Metrics: what is declared, so that each is explained and counters begin at zero, and what `/metrics` shows. Labels
//! have few values, chosen by us; never an id, a path or a text of a caller.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::Db;

/// What `/metrics` is served as; Prometheus 3 refuses an answer that does not say.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Seconds, from half a millisecond to the end of the longest retry.
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 1800.0,
];

/// How often what histograms have gathered is folded into their buckets when nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows. Begins at zero with all values of these labels; with none of them, by itself.
    Counter(&'static [(&'static str, &'static [&'static str])]),
    /// Grows, with labels that are not known beforehand.
    Labelled,
    /// Is measured.
    Gauge,
    /// Goes up and down with what is under way; begins at zero.
    UpDown,
    /// Durations in seconds, in buckets.
    Histogram,
    /// The same, with labels that are not known beforehand.
    LabelledHistogram,
}

/// A metric that a program has.
#[derive(Clone, Copy, Debug)]
pub struct Metric(pub &'static str, pub Kind, pub &'static str);

/// What both programs have, besides what `metrics-process` says of a process.
const COMMON: &[Metric] = &[
    Metric("liaison_build_info", Kind::Gauge, "Always 1; the labels say what runs."),
    Metric("db_connections", Kind::Gauge, "Connections of the pool, open and idle."),
    Metric("db_connections_max", Kind::Gauge, "Connections that the pool may open."),
    Metric("db_connections_waiting", Kind::Gauge, "Tasks that wait for a connection now."),
    Metric("db_connection_wait_seconds", Kind::Histogram, "From asking the pool to a connection."),
    Metric(
        "db_connection_timeouts_total",
        Kind::Counter(&[("reason", &["busy", "refused", "pooler"])]),
        "Times that no connection was to be had within five seconds.",
    ),
    Metric("panics_total", Kind::Counter(&[]), "Panics: faults of the program."),
    Metric(
        "clock_offset_seconds",
        Kind::Gauge,
        "This process's clock minus the database's; positive is ahead.",
    ),
    Metric(
        "trace_spans_total",
        Kind::Counter(&[("outcome", &["sent", "lost"])]),
        "Spans handed to the collector of traces.",
    ),
];

impl Metric {
    fn declare(self) {
        let Self(name, kind, help) = self;
        match kind {
            Kind::Counter(labels) => {
                metrics::describe_counter!(name, help);
                for series in series(labels) {
                    metrics::counter!(name, &series).absolute(0);
                }
            }
            Kind::Labelled => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
            Kind::UpDown => {
                metrics::describe_gauge!(name, help);
                metrics::gauge!(name).set(0.0);
            }
            Kind::Histogram => {
                metrics::describe_histogram!(name, help);
                let _ = metrics::histogram!(name);
            }
            Kind::LabelledHistogram => metrics::describe_histogram!(name, help),
        }
    }
}

type Labels = Vec<(&'static str, &'static str)>;

/// Every combination of the labels' values.
fn series(labels: &[(&'static str, &'static [&'static str])]) -> Vec<Labels> {
    labels.iter().fold(vec![Vec::new()], |all, (label, values)| {
        let with = |series: &Labels| {
            let series = series.clone();
            values.iter().map(move |value| [series.clone(), vec![(*label, *value)]].concat())
        };
        all.iter().flat_map(with).collect()
    })
}

/// One of what is under way, counted by its gauge until it is dropped.
pub struct UnderWay(metrics::Gauge);

impl UnderWay {
    /// Counts it from now on.
    #[must_use]
    pub fn counted(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// What `/metrics` shows. Cheap to clone.
#[derive(Clone)]
pub struct Exposition {
    recorded: PrometheusHandle,
    process: Arc<Collector>,
}

impl Exposition {
    /// Starts recording, for the whole process and within a runtime.
    pub(super) fn start(program: &'static str, measured: &[Metric]) -> Result<Self, BuildError> {
        let recorded = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS)?
            .install_recorder()?;
        let process = Collector::default();
        process.describe();
        COMMON.iter().chain(measured).for_each(|metric| metric.declare());
        let version = env!("CARGO_PKG_VERSION");
        metrics::gauge!("liaison_build_info", "program" => program, "version" => version).set(1.0);
        let kept = recorded.clone();
        // Without it, what histograms gather would grow until somebody scrapes.
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                kept.run_upkeep();
            }
        });
        Ok(Self { recorded, process: Arc::new(process) })
    }

    /// Everything, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self, db: &Db) -> String {
        self.process.collect();
        db.measure();
        self.recorded.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_begins_with_every_combination_of_its_labels() {
        assert_eq!(series(&[]), [Labels::new()]);
        let both = series(&[("a", &["1", "2"]), ("b", &["x", "y"])]);
        assert_eq!(both.len(), 4);
        assert_eq!(both[1], [("a", "1"), ("b", "y")]);
    }
}
