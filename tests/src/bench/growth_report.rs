//! What grew how much: the shape of `target/growth.json`, and its table.

use std::fmt::Write as _;

use serde::Serialize;

use super::footprint::Storage;
use super::machine::Machine;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    pub machine: Machine,
    pub storage: Storage,
    pub sweeps: Vec<Sweep>,
}

/// What one kind of operation costs at one size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    pub what: &'static str,
    pub per_second: f64,
    pub p50_ms: Option<f64>,
    /// Microseconds of CPU: the product's.
    pub ours_us: f64,
    pub postgres_us: f64,
    /// Pages that PostgreSQL looked at.
    pub buffers: f64,
}

impl Cost {
    fn cpu_us(&self) -> f64 {
        self.ours_us + self.postgres_us
    }
}

/// The same operations at several sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// What grows.
    pub of: &'static str,
    pub rows: Vec<Grown>,
}

/// One kind of operation at every size.
#[derive(Clone, Debug, Serialize)]
pub struct Grown {
    pub what: &'static str,
    pub sizes: Vec<u64>,
    pub costs: Vec<Cost>,
    /// How many times more CPU at the largest size than at the one before. Between small sizes other things grow: a
    /// table of three pages becomes one of many, and then never again.
    pub cpu_factor: f64,
    /// The same of buffers.
    pub buffers_factor: f64,
    /// The factor of what grows with the logarithm of the size.
    pub logarithmic_factor: f64,
    /// Whether either grew faster.
    pub grows_faster: bool,
}

impl Sweep {
    /// Compares what was measured at ascending sizes.
    pub fn of(of: &'static str, points: &[(u64, Vec<Cost>)]) -> Self {
        let kinds = points.first().map_or(0, |(_, costs)| costs.len());
        let sizes: Vec<u64> = points.iter().map(|(size, _)| *size).collect();
        let rows = (0..kinds).map(|kind| {
            Grown::new(sizes.clone(), points.iter().map(|(_, costs)| costs[kind]).collect())
        });
        Self { of, rows: rows.collect() }
    }
}

impl Grown {
    fn new(sizes: Vec<u64>, costs: Vec<Cost>) -> Self {
        let last = costs.len() - 1;
        let before = last.saturating_sub(1);
        let logarithmic_factor = logarithmic(sizes[before], sizes[last]);
        let (first, last) = (costs[before], costs[last]);
        let cpu_factor = last.cpu_us() / first.cpu_us();
        let buffers_factor = last.buffers / first.buffers;
        let most = cpu_factor.max(buffers_factor);
        let grows_faster = most > logarithmic_factor;
        Self {
            what: first.what,
            sizes,
            costs,
            cpu_factor,
            buffers_factor,
            logarithmic_factor,
            grows_faster,
        }
    }
}

/// How many times more is what grows with the logarithm: of ten times the size, so that a size of one has one. What a
/// size doubled would add is left to chance.
fn logarithmic(first: u64, last: u64) -> f64 {
    let digits = |size: u64| f64::from(size.max(1).ilog10()) + 1.0;
    (digits(last) / digits(first)).max(1.25)
}

impl Growth {
    /// The report as text.
    pub fn table(&self) -> String {
        let Machine { cores, memory_gib, cpu, postgres, note, .. } = &self.machine;
        let mut text =
            format!("\n\n{cores} cores, {memory_gib} GiB, {cpu}, PostgreSQL {postgres}; {note}\n");
        text += &self.storage.lines();
        for sweep in &self.sweeps {
            let of = sweep.of;
            let _ = writeln!(
                text,
                "\n{of:<12} operation                        /s   p50 ms   CPU µs: ours  postgres   buffers"
            );
            for row in &sweep.rows {
                row.lines(&mut text);
            }
        }
        text
    }
}

impl Grown {
    fn lines(&self, text: &mut String) {
        for (size, cost) in self.sizes.iter().zip(&self.costs) {
            let p50 = cost.p50_ms.map_or_else(|| "–".into(), |ms| format!("{ms:.2}"));
            let _ = writeln!(
                text,
                "{size:<12} {:<29} {:>5.0} {p50:>8} {:>14.0} {:>9.0} {:>9.1}",
                cost.what, cost.per_second, cost.ours_us, cost.postgres_us, cost.buffers
            );
        }
        let Self { cpu_factor, buffers_factor, logarithmic_factor, .. } = self;
        let verdict = if self.grows_faster { "GROWS FASTER than" } else { "within" };
        let _ = writeln!(
            text,
            "             from the last size but one to the last: CPU × {cpu_factor:.2}, buffers × {buffers_factor:.2}: {verdict} the logarithm, × {logarithmic_factor:.2}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(us: f64, buffers: f64) -> Cost {
        Cost {
            what: "get",
            per_second: 1.0,
            p50_ms: None,
            ours_us: us / 2.0,
            postgres_us: us / 2.0,
            buffers,
        }
    }

    fn grows(sizes: &[u64], costs: &[(f64, f64)]) -> bool {
        let points = sizes.iter().zip(costs).map(|(n, (us, b))| (*n, vec![cost(*us, *b)]));
        Sweep::of("contacts", &points.collect::<Vec<_>>()).rows[0].grows_faster
    }

    #[test]
    fn a_tree_grows_with_the_logarithm_and_a_scan_does_not() {
        let sizes = [1_000, 100_000, 10_000_000];
        assert!(!grows(&sizes, &[(400.0, 4.0), (410.0, 5.0), (430.0, 6.0)]));
        assert!(grows(&sizes, &[(400.0, 4.0), (500.0, 40.0), (1_400.0, 400.0)]), "by buffers");
        assert!(grows(&sizes, &[(400.0, 4.0), (800.0, 4.0), (1_600.0, 4.0)]), "by CPU");
        assert!(!grows(&sizes, &[(400.0, 4.0), (420.0, 90.0), (430.0, 92.0)]), "bounded");
    }

    #[test]
    fn a_size_of_one_can_be_the_first() {
        assert!((logarithmic(1, 100_000) - 6.0).abs() < 1e-9);
        assert!((logarithmic(1_000, 10_000_000) - 2.0).abs() < 1e-9);
        assert!((logarithmic(1_000, 1_000) - 1.25).abs() < 1e-9);
    }
}
