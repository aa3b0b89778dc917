//! The feed as server-sent events: only who has something new reads its events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event as Message, KeepAlive, Sse};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt as _, stream};
use http::HeaderMap;
use shared::TenantTx;
use shared::telemetry::metrics::UnderWay;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Event, FeedQuery, SCOPE};
use crate::App;
use crate::auth::{Caller, Principal};
use crate::error::Result;
use crate::http::authorize::{permit, recognise};
use crate::http::permits::TenantPermit;
use crate::http::routes::Access;

/// How often a connection without news shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long one answer lasts: whoever comes again shows its credential again.
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// How long it rests behind a page without an event when there is more: others read, too.
const REST: Duration = Duration::from_millis(100);

/// Someone who follows a tenant's events.
struct Follower {
    app: App,
    caller: Caller,
    /// The request's: its credential is checked again before news are told.
    headers: HeaderMap,
    /// `after` is the last number that was looked at.
    query: FeedQuery,
    /// The last number that was told.
    told: i64,
    /// When a number without an event can be told again.
    quiet: Instant,
    read: VecDeque<Event>,
    has_more: bool,
    heads: watch::Receiver<i64>,
    ends: DateTime<Utc>,
    stop: CancellationToken,
    /// The request's.
    span: Span,
    _open: UnderWay,
}

/// Tells every event behind `query.after`, or from now on. What cannot be told is said before the answer begins.
///
/// # Errors
/// As for [`super::page`], [`FeedQuery::settle`] and [`Followers::join`](super::Followers).
pub(super) async fn follow(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    mut query: FeedQuery,
) -> Result<Sse<impl Stream<Item = std::result::Result<Message, Infallible>>>> {
    let followers = app.followers.clone();
    let heads = followers.join(caller.tenant)?;
    let mut tx = app.begin(&caller).await?;
    let begins = begins(&mut tx, &mut query).await;
    let told = tx.finish(begins).await?;
    query.after = Some(told);
    let (stop, quiet) = (followers.stop(), Instant::now());
    let (read, ends) = (VecDeque::new(), app.db.clock().now() + LONGEST);
    let mut follower = Follower {
        app,
        caller,
        headers,
        query,
        told,
        quiet,
        read,
        has_more: false,
        heads,
        ends,
        stop,
        span: Span::current(),
        _open: UnderWay::counted(metrics::gauge!("event_streams")),
    };
    // Whoever loses the connection before the first event knows where it was.
    let begins = numbered(told);
    let place = follower.query.place(&follower.app, &follower.caller).await?;
    follower.read_on().await?;
    drop(place);
    let messages = stream::unfold(follower, async |mut follower| {
        let message = follower.next().await?;
        Some((Ok(message), follower))
    });
    let messages = stream::once(async { Ok(begins) }).chain(messages);
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// A message that tells only how far the log was looked through.
fn numbered(number: i64) -> Message {
    Message::default().id(number.to_string())
}

/// The number behind which it begins.
async fn begins(tx: &mut TenantTx, query: &mut FeedQuery) -> Result<i64> {
    query.settle(tx).await?;
    match query.after {
        Some(after) => Ok(after),
        None => super::newest(tx).await,
    }
}

impl Follower {
    /// The next message; `None` at the end. An error ends the answer: the client comes again with `Last-Event-ID`.
    async fn next(&mut self) -> Option<Message> {
        let next = self.wait().await;
        next.unwrap_or_else(|error| {
            self.span.in_scope(|| tracing::info!(error = error.chain(), "a stream ends"));
            None
        })
    }

    async fn wait(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.told = event.sequence;
                // It was made from JSON, so it becomes JSON.
                return Ok(numbered(event.sequence).json_data(&event).ok());
            }
            let (after, now) = (self.query.after.unwrap_or_default(), Instant::now());
            let clock = self.app.db.clock();
            if self.stop.is_cancelled() || clock.now() >= self.ends {
                return Ok(None);
            }
            // What was passed over is not looked through again by who comes again, and may be kept no longer by then.
            if after > self.told && now >= self.quiet {
                (self.told, self.quiet) = (after, now + HEARTBEAT);
                return Ok(Some(numbered(after)));
            }
            if !self.has_more {
                tokio::select! {
                    () = self.stop.cancelled() => return Ok(None),
                    () = clock.reach(self.ends) => return Ok(None),
                    () = sleep_until(self.quiet), if after > self.told => continue,
                    newer = self.heads.wait_for(|last| *last > after) => {
                        if newer.is_err() {
                            return Ok(None);
                        }
                    }
                }
            }
            let place = tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = clock.reach(self.ends) => return Ok(None),
                place = self.place() => place,
            };
            self.is_still_admitted().await?;
            self.read_on().await?;
            drop(place);
            if self.has_more && self.read.is_empty() {
                sleep(REST).await;
            }
        }
    }

    /// A place to read the next page, where that takes one. Whoever follows waits for it as long as it takes.
    async fn place(&self) -> Option<TenantPermit> {
        match self.query.webhook {
            Some(_) => self.app.feeds.wait(self.caller.tenant).await,
            None => None,
        }
    }

    /// Whether the credential is still good: one that was revoked hears no more.
    async fn is_still_admitted(&self) -> Result<()> {
        if self.caller.principal == Principal::Operator {
            return Ok(());
        }
        let now = self.app.db.clock().now();
        let caller = recognise(&self.app, &self.headers, self.caller.origin.clone(), now).await?;
        permit(&caller, Access::Scope(SCOPE))
    }

    async fn read_on(&mut self) -> Result<()> {
        let mut tx = self.app.begin(&self.caller).await?;
        let page = super::page(&mut tx, &mut self.query).await;
        let page = tx.finish(page).await?;
        self.query.after = Some(page.next);
        self.read = page.events.into();
        self.has_more = page.has_more;
        Ok(())
    }
}
