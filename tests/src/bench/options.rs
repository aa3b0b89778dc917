//! What the command line asks for.

use std::time::Duration;

use crate::servers::Result;

/// Every row, in the order in which they run.
pub const ROWS: [&str; 10] = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10"];

/// Events per second in B5.
const RATES: [u32; 4] = [10, 50, 200, 1_000];

pub const USAGE: &str =
    "bench [--quick] [--rows B1,B2,…] [--rates 10,50,200,1000] [--even] [--long] [--backlog 50000] [--queue postgres|redis] [--note TEXT]

  --quick   one short round on little data: a smoke run whose figures mean nothing
  --rows    only these rows
  --rates   only these rates of events in B5
  --even    in B5, events at even distances instead of at random ones (a Poisson process)
  --long    in B10, memory is watched for ten minutes instead of one
  --backlog how many deliveries B4, B6, B9 and B10 drain, 50000 unless told
  --queue   how deliveries reach the worker (QUEUE): postgres, or redis through one that is started for it
  --growth  in place of the rows: what each costs as contacts and tenants grow
  --contacts, --tenants   the sizes of that, ascending; those of the tenants have ten contacts each
  --note    goes into the report: who shared the machine, for instance";

/// How much is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub rows: Vec<&'static str>,
    pub rates: Vec<u32>,
    pub quick: bool,
    pub even: bool,
    /// Minutes that B10 watches memory.
    pub watch: u64,
    /// Deliveries that are drained.
    pub backlog: u32,
    pub redis: bool,
    pub note: String,
    /// Asked for in place of the rows.
    pub growth: Option<Sizes>,
}

/// What grows, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Contacts of ten tenants.
    pub contacts: Vec<u64>,
    /// Tenants with ten contacts each.
    pub tenants: Vec<u64>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { contacts: vec![1_000, 100_000, 1_000_000], tenants: vec![1, 1_000, 100_000] }
    }
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them, and how they are written.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            rows: ROWS.to_vec(),
            rates: RATES.to_vec(),
            quick: false,
            even: false,
            watch: 1,
            backlog: 0,
            redis: false,
            note: String::new(),
            growth: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{argument} needs a value\n\n{USAGE}"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--long" => options.watch = 10,
                "--even" => options.even = true,
                "--backlog" => options.backlog = value()?.parse()?,
                "--queue" => options.redis = queue(&value()?)?,
                "--growth" => drop(options.growth.get_or_insert_default()),
                "--contacts" => options.growth.get_or_insert_default().contacts = sizes(&value()?)?,
                "--tenants" => options.growth.get_or_insert_default().tenants = sizes(&value()?)?,
                "--note" => options.note = value()?,
                "--rows" => options.rows = rows(&value()?)?,
                "--rates" => options.rates = rates(&value()?)?,
                _ => return Err(format!("{argument} is not known\n\n{USAGE}").into()),
            }
        }
        if options.backlog == 0 {
            options.backlog = if options.quick { 3_000 } else { 50_000 };
        }
        Ok(options)
    }

    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// Before each measurement.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 2 })
    }

    /// How long nothing happens in B10, before it is measured and while it is.
    pub fn calm(&self) -> Duration {
        Duration::from_secs(if self.quick { 5 } else { 20 })
    }

    /// How long B10 watches memory.
    pub fn watch(&self) -> Duration {
        if self.quick { Duration::from_secs(10) } else { Duration::from_mins(self.watch) }
    }

    /// Of one rate, in one round.
    pub fn measurement(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 10 })
    }
}

fn rows(list: &str) -> Result<Vec<&'static str>> {
    let wanted: Vec<&str> = list.split(',').map(str::trim).collect();
    if let Some(unknown) = wanted.iter().find(|name| !ROWS.contains(name)) {
        return Err(format!("there is no row {unknown}; there are {}", ROWS.join(", ")).into());
    }
    Ok(ROWS.into_iter().filter(|name| wanted.contains(name)).collect())
}

fn queue(word: &str) -> Result<bool> {
    match word {
        "postgres" => Ok(false),
        "redis" => Ok(true),
        _ => Err(format!("there is no queue {word}; there are postgres and redis").into()),
    }
}

fn rates(list: &str) -> Result<Vec<u32>> {
    let rates: std::result::Result<Vec<u32>, _> = list.split(',').map(str::parse).collect();
    rates.ok().filter(|rates| !rates.contains(&0)).ok_or_else(|| format!("no rates: {list}").into())
}

/// Ascending, and none of them nothing.
fn sizes(list: &str) -> Result<Vec<u64>> {
    let sizes: std::result::Result<Vec<u64>, _> = list.split(',').map(str::parse).collect();
    sizes
        .ok()
        .filter(|sizes| !sizes.contains(&0) && sizes.is_sorted())
        .ok_or_else(|| format!("no ascending sizes: {list}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_run_in_their_own_order_and_unknown_words_are_refused() {
        assert_eq!(parse("--rows B5,B1 --quick").unwrap().rows, ["B1", "B5"]);
        assert_eq!(parse("").unwrap().rows, ROWS);
        assert_eq!(parse("--rates 50,7").unwrap().rates, [50, 7]);
        assert_eq!(parse("").unwrap().growth, None);
        assert_eq!(parse("--quick").unwrap().backlog, 3_000);
        assert_eq!(parse("--backlog 7 --quick").unwrap().backlog, 7);
        assert_eq!(parse("--growth").unwrap().growth, Some(Sizes::default()));
        assert_eq!(parse("--contacts 10,200").unwrap().growth.unwrap().contacts, [10, 200]);
        for bad in ["--contacts 0", "--tenants 9,1", "--tenants", "--contacts x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in ["--rates x", "--rates 0", "--rows B0", "--rows", "quick", "--note", "--queue x"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
