//! The benchmark: what the product does beside what the machine does for the same work without it: `make bench`.
//!
//! - [`create`] (B1), [`reads`] (B2, B3), [`drain`] (B4, B6, B9), [`reach`] (B5), [`neighbour`] (B7), [`import`] (B8),
//!   [`memory`] (B10).
//! - [`stage`]: the server, the programs and tenants; [`population`], [`subscribers`] and
//!   [`backlog`] put data into them.
//! - [`load`] and [`open_loop`] call the api over [`wire`]; [`receiver`] is called by the worker.
//! - [`pgbench`] runs what [`statements`] reads from the server's log and [`script`] turns into its language.
//! - [`bare_loop`] is the worker's client without the worker.
//! - [`growth`] has tables of its own, one size after the other; [`footprint`] weighs what an event leaves behind.
//! - [`cpu`], [`resident`] and [`latency`] measure; [`report`] and [`table`] say what came out.

mod against_pgbench;
mod backlog;
mod bare_loop;
mod cpu;
mod create;
mod drain;
mod footprint;
mod growth;
mod growth_report;
mod hostile;
mod import;
mod latency;
mod load;
mod machine;
mod memory;
mod neighbour;
mod open_loop;
mod options;
mod pace;
mod pgbench;
mod population;
pub(crate) mod program;
mod reach;
mod reads;
pub mod receiver;
mod report;
pub mod requests;
mod resident;
mod script;
mod signed;
mod stage;
mod statements;
mod subscribers;
mod table;
pub mod wire;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use tokio::signal::unix::{SignalKind, signal};

use self::drain::Drains;
use self::machine::{Machine, load_average};
use self::options::Options;
use self::population::Population;
use self::report::{Report, Row};
use self::requests::Numbers;
use self::stage::Stage;
use self::subscribers::{Scene, Subscribers};
use crate::dev::say::{finish, say};
use crate::servers::Result;

/// Runs the benchmark until its end or SIGINT or SIGTERM. A failure is printed.
pub async fn run() -> ExitCode {
    let code = match run_until_signal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("\nbench: {error}\n"));
            ExitCode::FAILURE
        }
    };
    finish();
    code
}

async fn run_until_signal() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, task] = arguments.as_slice()
        && command == bare_loop::COMMAND
    {
        say(bare_loop::run(task).await?);
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Dropping what has begun stops every program that it has started.
    tokio::select! {
        done = bench(&options) => done,
        _ = interrupt.recv() => Err("stopped".into()),
        _ = terminate.recv() => Err("stopped".into()),
    }
}

async fn bench(options: &Options) -> Result<()> {
    if let Some(sizes) = &options.growth {
        return growth::run(options, sizes).await;
    }
    let started = Instant::now();
    let load_before = load_average();
    say("starting PostgreSQL … ");
    let stage = Stage::set(options.redis).await?;
    let mut machine = Machine::look(&mut stage.superuser().await?).await?;
    say("done\n");
    let rows = rows(&stage, options).await?;
    machine.note = note(options, &rows, &load_before);
    let report = Report { machine, rows };
    say(table::table(&report));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    fs::create_dir_all(&folder)?;
    let file = folder.join("bench.json");
    fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")?;
    say(format!("\n{} written after {:.0} s\n", file.display(), started.elapsed().as_secs_f64()));
    Ok(())
}

async fn rows(stage: &Stage, options: &Options) -> Result<Vec<Row>> {
    let numbers = Numbers::default();
    let mut rows = Vec::new();
    let (mut subscribers, mut population) = (None, None);
    for id in &options.rows {
        let started = Instant::now();
        say(format!("{id} … "));
        let delivers = matches!(*id, "B4" | "B5" | "B6" | "B7" | "B9" | "B10");
        if delivers && subscribers.is_none() {
            let api = stage.api().await?;
            subscribers = Some(Subscribers::create(stage).await?);
            api.stop().await?;
        }
        let row = match (*id, &subscribers) {
            ("B1", _) => create::run(stage, options, &numbers).await?,
            ("B2" | "B3", _) => {
                let population = match &population {
                    Some(population) => population,
                    None => population.insert(Population::create(stage, options).await?.into()),
                };
                let read = if *id == "B2" { reads::ONE } else { reads::PAGE };
                read.run(stage, options, population).await?
            }
            ("B8", _) => import::run(stage, options, &numbers).await?,
            ("B4" | "B6" | "B9", Some(subscribers)) => {
                let drains = Drains { stage, options, subscribers };
                match *id {
                    "B4" => drains.against_bare_loop().await?,
                    "B6" => drains.in_an_old_table().await?,
                    _ => drains.with_more_workers().await?,
                }
            }
            ("B7", Some(subscribers)) => {
                neighbour::run(&Scene { stage, options, numbers: &numbers, subscribers }).await?
            }
            ("B10", Some(subscribers)) => {
                memory::run(&Scene { stage, options, numbers: &numbers, subscribers }).await?
            }
            ("B5", Some(subscribers)) => reach::run(stage, options, &numbers, subscribers).await?,
            _ => return Err(format!("there is no row {id}").into()),
        };
        say(format!("{:.0} s\n", started.elapsed().as_secs_f64()));
        rows.push(row);
    }
    Ok(rows)
}

/// Who shared the machine, as far as it can be seen from here, and what was asked for.
fn note(options: &Options, rows: &[Row], load_before: &str) -> String {
    let others = rows.iter().map(|row| format!("{} {:.0} %", row.id, row.others_percent));
    let others = others.collect::<Vec<_>>().join(", ");
    let mut note = format!("load average before: {load_before}; CPU taken by others: {others}");
    if options.quick {
        note += "; a quick run, whose figures mean nothing";
    }
    if options.even {
        note += "; events of B5 at even distances";
    }
    if !options.note.is_empty() {
        note = format!("{}; {note}", options.note);
    }
    note
}
