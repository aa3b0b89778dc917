//! B10: what api and worker hold in memory: idle, under the load of B1, in the drain of B4, over time, and with
//! receivers that mean harm; and what they cost while nothing happens.

use std::time::Duration;

use serde::Serialize;

use super::against_pgbench::CONNECTIONS;
use super::backlog::{empty, fill, wait_until_written};
use super::cpu::Cpu;
use super::drain::PATIENCE;
use super::hostile::Hostile;
use super::load::{self, Window};
use super::open_loop::create_contacts;
use super::pace::{Distances, events};
use super::program::Program;
use super::report::{CpuMicros, Row};
use super::requests::create_contact;
use super::resident::{Samples, mib};
use super::subscribers::Scene;
use crate::servers::Result;

/// The most that either may hold under load, in MiB.
const MOST: f64 = 40.0;

/// Changes a second while memory is watched over time.
const RATE: u32 = 100;

/// The figures of B10.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub api_idle_mib: f64,
    /// The most in B1.
    pub api_load_mib: f64,
    pub worker_idle_mib: f64,
    /// The most in B4.
    pub worker_load_mib: f64,
    /// Of one core, both together.
    pub idle_cpu_percent: f64,
    /// More than idle, for each request under way at once.
    pub worker_hostile_mib_per_request: f64,
    /// Of the one that grows more, at a steady rate of changes and deliveries.
    pub drift_mib_per_minute: f64,
}

/// Runs the row.
///
/// # Errors
/// When a call or a delivery fails.
pub async fn run(scene: &Scene<'_>) -> Result<Row> {
    let mut session = scene.stage.superuser().await?;
    empty(&mut session).await?;
    let api = scene.stage.api().await?;
    let worker = scene.stage.worker().await?;
    let (idle, api_idle_mib, worker_idle_mib) = idle(scene, &api, &worker).await?;
    let drift_mib_per_minute = over_time(scene, &api, &worker).await?;
    worker.stop().await?;
    let api_load_mib = creating(scene, &api).await?;
    api.stop().await?;
    let worker_load_mib = draining(scene).await?;
    let (hostile_mib, requests) = under_attack(scene).await?;
    let memory = Memory {
        api_idle_mib,
        api_load_mib,
        worker_idle_mib,
        worker_load_mib,
        idle_cpu_percent: 100.0 * idle.ours.as_secs_f64() / scene.options.calm().as_secs_f64(),
        worker_hostile_mib_per_request: (hostile_mib - worker_idle_mib).max(0.0) / requests,
        drift_mib_per_minute,
    };
    Ok(row(memory, idle.others_percent(scene.options.calm().as_secs_f64())))
}

/// What a while without anything to do costs, and what both hold then.
async fn idle(scene: &Scene<'_>, api: &Program, worker: &Program) -> Result<(Cpu, f64, f64)> {
    let calm = scene.options.calm();
    tokio::time::sleep(calm).await;
    let meter = scene.stage.meter(&[api, worker])?;
    let before = meter.read()?;
    tokio::time::sleep(calm).await;
    Ok((meter.read()? - before, mib(api.pid()?)?, mib(worker.pid()?)?))
}

/// How much either grows while changes are made and delivered at a steady rate.
async fn over_time(scene: &Scene<'_>, api: &Program, worker: &Program) -> Result<f64> {
    let window = Window::after(Duration::ZERO, scene.options.watch());
    let due = events(RATE, Distances::Even, window.from, window.until);
    let tenants = &scene.subscribers.tenants;
    let calls = create_contacts(scene.stage.api_address, tenants, scene.numbers, due);
    let (api, worker) = (api.pid()?, worker.pid()?);
    let both = Samples::during(worker, Samples::during(api, calls));
    let ((calls, of_api), of_worker) = both.await?;
    scene.subscribers.receivers.wait_for(calls.len(), PATIENCE).await?;
    scene.subscribers.receivers.take();
    Ok(of_api.drift().max(of_worker.drift()))
}

/// The most that the api holds in B1.
async fn creating(scene: &Scene<'_>, api: &Program) -> Result<f64> {
    let (key, numbers) = (scene.subscribers.tenants[0].api_key.clone(), scene.numbers.clone());
    let write = move |into: &mut Vec<u8>| create_contact(&key, numbers.next(), into);
    let window = Window::after(scene.options.warm_up(), scene.options.measurement());
    let address = scene.stage.api_address;
    let load = load::closed(address, CONNECTIONS as usize, window, 201, write);
    Ok(Samples::during(api.pid()?, load).await?.1.most())
}

/// The most that a worker holds in B4.
async fn draining(scene: &Scene<'_>) -> Result<f64> {
    let mut session = scene.stage.superuser().await?;
    empty(&mut session).await?;
    let count = scene.options.backlog;
    fill(&mut session, count, None).await?;
    let worker = scene.stage.worker().await?;
    let drained = async {
        scene.subscribers.receivers.wait_for(count as usize, PATIENCE).await?;
        wait_until_written(&mut session, PATIENCE).await
    };
    let ((), samples) = Samples::during(worker.pid()?, drained).await?;
    worker.stop().await?;
    scene.subscribers.receivers.take();
    empty(&mut session).await?;
    Ok(samples.most())
}

/// The most that a worker holds while every receiver means harm, and how many requests it had under way.
async fn under_attack(scene: &Scene<'_>) -> Result<(f64, f64)> {
    let mut session = scene.stage.superuser().await?;
    let hostile = Hostile::start(&mut session).await?;
    fill(&mut session, 2_000, None).await?;
    let worker = scene.stage.worker().await?;
    let attack = async {
        tokio::time::sleep(scene.options.calm()).await;
        Ok(())
    };
    let ((), samples) = Samples::during(worker.pid()?, attack).await?;
    // What it is asked to finish ends late, or never.
    drop(worker);
    let requests = hostile.leave(&mut session).await?;
    empty(&mut session).await?;
    if requests == 0 {
        return Err("no request reached the receivers that mean harm".into());
    }
    Ok((samples.most(), f64::from(u32::try_from(requests)?)))
}
fn row(memory: Memory, others_percent: f64) -> Row {
    let most = memory.api_load_mib.max(memory.worker_load_mib);
    Row {
        id: "B10",
        ours: most,
        limit: MOST,
        unit: "mib",
        ratio: most / MOST,
        target: MOST,
        p50_ms: None,
        p99_ms: None,
        rounds: vec![memory.api_load_mib, memory.worker_load_mib],
        cpu_us: CpuMicros { ours: 0.0, postgres: 0.0, limit: 0.0 },
        rates: None,
        workers: None,
        idle_p99_ms: None,
        busy_p99_ms: None,
        memory: Some(memory),
        bench_us: 0.0,
        others_percent,
    }
}
