//! What each path may cost: `budgets.json`, beside this file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How many times its budget a cost may be. Below it are a newer PostgreSQL, a newer library, another allocator's luck.
pub const MOST: f64 = 1.5;

/// The bytes of WAL below which none count: a read that now and then cleans a page up has not begun to write.
const LEAST_WAL: f64 = 100.0;

/// What is counted exactly may be no whole one more.
const ONE_MORE: f64 = 0.5;

const STATEMENTS: &str = "statements";
const ROUND_TRIPS: &str = "round trips";
const WAL: &str = "WAL bytes";

/// The head of the table; what stands in brackets there is the budget.
pub const HEAD: &str = "each, counted [budget]   statements   round trips   buffers         WAL bytes       allocations     allocated KiB";

/// What one operation costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Sent to PostgreSQL.
    pub statements: f64,
    /// Times that PostgreSQL was waited for.
    pub round_trips: f64,
    /// Pages that PostgreSQL looked at, in memory or not.
    pub buffers: f64,
    /// What PostgreSQL wrote to its log.
    pub wal_bytes: f64,
    /// In this process: the server of HTTP, the handlers, the client of PostgreSQL; of a delivery also the receiver.
    pub allocations: f64,
    /// Their sizes together.
    pub allocated_kib: f64,
}

impl Cost {
    /// Its figures by their names.
    fn figures(&self) -> [(&'static str, f64); 6] {
        [
            (STATEMENTS, self.statements),
            (ROUND_TRIPS, self.round_trips),
            ("buffers", self.buffers),
            (WAL, self.wal_bytes),
            ("allocations", self.allocations),
            ("allocated KiB", self.allocated_kib),
        ]
    }

    /// The lesser of each figure of two counts.
    pub fn least(self, other: Self) -> Self {
        Self {
            statements: self.statements.min(other.statements),
            round_trips: self.round_trips.min(other.round_trips),
            buffers: self.buffers.min(other.buffers),
            wal_bytes: self.wal_bytes.min(other.wal_bytes),
            allocations: self.allocations.min(other.allocations),
            allocated_kib: self.allocated_kib.min(other.allocated_kib),
        }
    }

    /// To one digit: what differs behind it is chance.
    fn rounded(self) -> Self {
        let round = |figure: f64| (figure * 10.0).round() / 10.0;
        Self {
            statements: round(self.statements),
            round_trips: round(self.round_trips),
            buffers: round(self.buffers),
            wal_bytes: round(self.wal_bytes),
            allocations: round(self.allocations),
            allocated_kib: round(self.allocated_kib),
        }
    }
}

/// By the names of the paths.
pub struct Budgets(BTreeMap<String, Cost>);

impl Budgets {
    /// Where they are.
    pub fn path() -> PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/guard/budgets.json").into()
    }

    /// Reads them.
    pub fn read() -> Self {
        let text = fs::read_to_string(Self::path()).unwrap_or_else(|_| "{}".into());
        Self(serde_json::from_str(&text).expect("budgets.json is not what `make guard` wrote"))
    }

    /// What was counted is the budget from now on.
    pub fn set(&mut self, name: &str, cost: Cost) {
        self.0.insert(name.to_owned(), cost.rounded());
    }

    /// Writes them.
    pub fn write(&self) {
        let text = serde_json::to_string_pretty(&self.0).expect("figures serialise") + "\n";
        fs::write(Self::path(), text).expect("budgets.json can be written");
    }

    /// A sentence for each figure that is far above its budget.
    pub fn exceeded(&self, name: &str, cost: &Cost) -> Vec<String> {
        let Some(budget) = self.0.get(name) else {
            return vec![format!("{name} has no budget: make guard RENEW=1")];
        };
        let pairs = cost.figures().into_iter().zip(budget.figures());
        let most = |figure, budget: f64| match figure {
            WAL => budget.max(LEAST_WAL) * MOST,
            STATEMENTS | ROUND_TRIPS => (budget * MOST).min(budget + ONE_MORE),
            _ => budget * MOST,
        };
        let above = pairs.filter(|((figure, cost), (_, budget))| *cost > most(*figure, *budget));
        let sentence = |((figure, cost), (_, budget))| {
            format!(
                "{name}: {cost:.1} {figure}, and {budget:.1} are its budget; find out why, or: make guard RENEW=1"
            )
        };
        above.map(sentence).collect()
    }

    /// A line of the table.
    pub fn line(&self, name: &str, cost: &Cost) -> String {
        let budget = self.0.get(name);
        let mut line = format!("{name:<23}");
        for (at, (_, cost)) in cost.figures().into_iter().enumerate() {
            let budget = budget.map_or_else(|| "–".into(), |b| format!("{:.0}", b.figures()[at].1));
            let width = if at < 2 { 12 } else { 15 };
            let cell = format!("{cost:.1} [{budget}]");
            let _ = write!(line, "  {cell:<width$}");
        }
        line
    }
}
