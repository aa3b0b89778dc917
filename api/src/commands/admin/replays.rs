//! `api admin replay`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::id::ReplayId;

use super::webhooks::One;
use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::{Column, without_null};
use crate::commands::progress;

/// How often a replay is looked at.
const LOOK: Duration = Duration::from_secs(1);

const STOPPED: &str = "no longer watched: the replay goes on";

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("TRIGGER", "/trigger"),
    ("STATE", "/state"),
    ("HELD", "/heldReason"),
    ("TOTAL", "/total"),
    ("REPLAYED", "/replayed"),
    ("DELIVERED", "/delivered"),
    ("FAILED", "/failed"),
    ("PENDING", "/pending"),
    ("SECONDS LEFT", "/secondsLeft"),
];

/// What is done with replays.
#[derive(Subcommand)]
pub(crate) enum Replay {
    /// Send deliveries again: those that failed or were skipped, or what is said here
    #[command(
        after_help = "Example:\n  api admin replay start --tenant $TENANT --webhook $WEBHOOK --since 2026-01-01T00:00:00Z --dry-run"
    )]
    Start(NewReplay),
    /// List a webhook's replays, the oldest first
    #[command(after_help = "Example:\n  api admin replay list --tenant $TENANT --webhook $WEBHOOK")]
    List(One),
    /// Show how far a replay is
    #[command(
        after_help = "Example:\n  api admin replay show --tenant $TENANT --webhook $WEBHOOK --replay $REPLAY"
    )]
    Show(OneReplay),
    /// Wait until a replay is over, with a bar at a terminal
    #[command(
        after_help = "Example:\n  api admin replay watch --tenant $TENANT --webhook $WEBHOOK --replay $REPLAY"
    )]
    Watch(OneReplay),
    /// Begin no more deliveries until it is resumed
    #[command(
        after_help = "Example:\n  api admin replay pause --tenant $TENANT --webhook $WEBHOOK --replay $REPLAY"
    )]
    Pause(OneReplay),
    /// Go on
    #[command(
        after_help = "Example:\n  api admin replay resume --tenant $TENANT --webhook $WEBHOOK --replay $REPLAY"
    )]
    Resume(OneReplay),
    /// End it; what has begun goes on
    #[command(
        after_help = "Example:\n  api admin replay cancel --tenant $TENANT --webhook $WEBHOOK --replay $REPLAY"
    )]
    Cancel(OneReplay),
}

/// What a replay selects.
#[derive(Args)]
pub(crate) struct NewReplay {
    #[command(flatten)]
    one: One,
    /// Of changes made from here, such as 2026-01-01T00:00:00Z; from the oldest that is kept without
    #[arg(long)]
    since: Option<String>,
    /// Of changes made to here; to now without
    #[arg(long)]
    until: Option<String>,
    /// failed, skipped, delivered; the first two without
    #[arg(long, value_delimiter = ',')]
    statuses: Option<Vec<String>>,
    /// Events and families, such as contact.*
    #[arg(long, value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// Deliveries begun in a second, 1 to 1000; 100 without
    #[arg(long)]
    rate: Option<i64>,
    /// Say how many there are, and begin nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is over
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
}

/// One replay.
#[derive(Args)]
pub(crate) struct OneReplay {
    #[command(flatten)]
    one: One,
    /// The replay's id
    #[arg(long)]
    replay: ReplayId,
}

pub(super) async fn run(command: Replay) -> CommandResult {
    match command {
        Replay::Start(new) => start(new).await,
        Replay::List(one) => {
            let (front, path) = all(&one).await?;
            one.out.list(&front.all(&path).await?, COLUMNS)
        }
        Replay::Show(replay) => {
            let (front, path) = replay.open().await?;
            replay.one.out.list_one(front.get(&path).await?, COLUMNS)
        }
        Replay::Watch(replay) => {
            let (front, path) = replay.open().await?;
            replay.one.out.list_one(watched(&front, &path).await?, COLUMNS)
        }
        Replay::Pause(replay) => turn(replay, "pause").await,
        Replay::Resume(replay) => turn(replay, "resume").await,
        Replay::Cancel(replay) => turn(replay, "cancel").await,
    }
}

impl OneReplay {
    /// The routes, and the replay's path.
    async fn open(&self) -> CommandResult<(Front, String)> {
        let (front, path) = all(&self.one).await?;
        Ok((front, format!("{path}/{}", self.replay)))
    }
}

/// The routes, and the path of a webhook's replays.
async fn all(one: &One) -> CommandResult<(Front, String)> {
    let (front, path) = one.open().await?;
    Ok((front, format!("{path}/replays")))
}

async fn start(new: NewReplay) -> CommandResult {
    let body =
        without_null(json!({"since": new.since, "until": new.until, "statuses": new.statuses,
        "events": new.events, "rate": new.rate}));
    let (front, path) = all(&new.one).await?;
    let query = if new.dry_run { "?dryRun=true" } else { "" };
    let mut replay = front.post(&format!("{path}{query}"), body).await?;
    if new.watch {
        let id = replay["id"].as_str().unwrap_or_default();
        replay = watched(&front, &format!("{path}/{id}")).await?;
    }
    new.one.out.list_one(replay, COLUMNS)
}

async fn turn(replay: OneReplay, verb: &str) -> CommandResult {
    let (front, path) = replay.open().await?;
    let turned = front.post(&format!("{path}/{verb}"), json!({})).await?;
    replay.one.out.list_one(turned, COLUMNS)
}

/// The replay when it is over and nothing of it is on its way.
async fn watched(front: &Front, path: &str) -> CommandResult<Value> {
    let number = |replay: &Value, name: &str| replay[name].as_u64().unwrap_or_default();
    let over = progress::unless_stopped(STOPPED, async {
        let bar = progress::bar(0, "replaying");
        loop {
            let replay = front.get(path).await?;
            bar.set_length(number(&replay, "total"));
            bar.set_position(number(&replay, "delivered") + number(&replay, "failed"));
            let state = replay["state"].as_str().unwrap_or_default();
            let waits = replay["heldReason"].as_str().or((state == "paused").then_some(state));
            bar.set_message(waits.unwrap_or("replaying").to_owned());
            let over = !["running", "paused"].contains(&state);
            if over && number(&replay, "pending") == 0 {
                return Ok(replay);
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    over.await
}
