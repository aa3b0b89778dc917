//! The limit of B4: the worker's own HTTP client posting signed bodies as fast as it can, without a database. It runs
//! in a process of its own, as the worker does; the benchmark starts itself for that.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared::webhook::target::TargetPolicy;
use tokio::task::JoinSet;
use worker::client::{self, Client, Egress, Limits};

use super::cpu::{self, Cpu};
use super::report::Measured;
use super::signed::{Message, keys};
use crate::servers::Result;

/// What the process is called by its first argument.
pub const COMMAND: &str = "bare-loop";

/// Signed before the clock runs, and sent again and again.
const MESSAGES: u64 = 1_000;

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    pub receivers: Vec<SocketAddr>,
    pub posts: u32,
    pub concurrency: u32,
}

#[derive(Serialize, Deserialize)]
struct Outcome {
    elapsed: Duration,
    cpu: Duration,
}

/// Runs the loop in a process of its own.
///
/// # Errors
/// When a post fails.
pub async fn measure(task: &Task) -> Result<Measured> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg(serde_json::to_string(task)?).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the bare loop ended with {}:\n{complaint}", output.status).into());
    }
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    Ok(Measured {
        count: task.posts,
        seconds: outcome.elapsed.as_secs_f64(),
        cpu: Cpu { tools: outcome.cpu, ..Cpu::default() },
        latencies: None,
    })
}

/// The process itself: `task` is JSON, and so is what it returns to be printed.
///
/// # Errors
/// When a post fails.
pub async fn run(task: &str) -> Result<String> {
    let task: Task = serde_json::from_str(task)?;
    let keys = keys()?;
    let messages: Vec<Message> =
        (0..MESSAGES).map(|number| Message::new(&keys, number)).collect::<Result<_>>()?;
    let messages = Arc::new(messages);
    let client = client()?;
    let warm_up = Task { posts: task.posts.div_ceil(10), ..task.clone() };
    post_all(&client, &warm_up, &messages).await?;
    let (started, before) = (Instant::now(), cpu::of_this_process()?);
    post_all(&client, &task, &messages).await?;
    let (elapsed, cpu) = (started.elapsed(), cpu::of_this_process()?.saturating_sub(before));
    Ok(serde_json::to_string(&Outcome { elapsed, cpu })?)
}

/// The worker's client with the worker's limits.
///
/// # Errors
/// When the system has no root certificates.
pub fn client() -> Result<Client> {
    let targets = TargetPolicy::new(true, vec!["127.0.0.0/8".parse()?]);
    Ok(Client::new(Arc::new(targets), Limits::default(), &Egress::default())?)
}

async fn post_all(client: &Client, task: &Task, messages: &Arc<Vec<Message>>) -> Result<()> {
    let next = Arc::new(AtomicU32::new(0));
    let urls: Arc<[String]> =
        task.receivers.iter().map(|address| format!("http://{address}/")).collect();
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    for _ in 0..task.concurrency {
        let (client, next, urls, messages) =
            (client.clone(), next.clone(), urls.clone(), messages.clone());
        let posts = task.posts;
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= posts {
                    return Ok(());
                }
                let number = number as usize;
                let Message { headers, body } = messages[number % messages.len()].clone();
                post(&client, &urls[number % urls.len()], headers, body).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// One post that the receiver accepts.
///
/// # Errors
/// When it does not.
pub async fn post(
    client: &Client,
    url: &str,
    headers: http::HeaderMap,
    body: bytes::Bytes,
) -> Result<()> {
    let message = client::Message { url, identity: None, headers, body };
    match client.post(message).await.outcome {
        Ok(status) if status.is_success() => Ok(()),
        outcome => Err(format!("a post to {url} came to {outcome:?}").into()),
    }
}
