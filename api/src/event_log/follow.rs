//! The feed as server-sent events. The processes of the api cannot be told of new events: a pooler that lends connections by
//! transaction lets nobody `LISTEN`. So one task per process asks for the newest numbers of all the tenants that are
//! followed, in one question, and only those who have something new read their events.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::{Stream, stream};
use shared::Db;
use shared::db::Origin;
use shared::id::TenantId;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Event, FeedQuery};
use crate::App;
use crate::error::{Error, Result};

/// How often the newest numbers are asked for.
const LOOK: Duration = Duration::from_millis(250);
/// How often a connection without news shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long one answer lasts: whoever comes again shows its credential again.
const LONGEST: Duration = Duration::from_mins(15);
/// How many follow in one process.
const MOST: usize = 1000;
/// How many of one tenant.
const MOST_OF_ONE: usize = 50;

/// Who follows in this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Followers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tenants: Mutex<HashMap<TenantId, watch::Sender<i64>>>,
    came: Notify,
    stop: CancellationToken,
}

impl Followers {
    /// Nobody yet. The task that asks for them ends with `stop`, and so do their answers.
    #[must_use]
    pub fn until(stop: CancellationToken, db: Db) -> Self {
        let shared = Shared { tenants: Mutex::default(), came: Notify::new(), stop };
        let followers = Self(Arc::new(shared));
        tokio::spawn(followers.clone().look(db));
        followers
    }

    /// Tells of the tenant's newest number from now on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when as many follow as may.
    fn join(&self, tenant: TenantId) -> Result<watch::Receiver<i64>> {
        let mut tenants = self.tenants();
        tenants.retain(|_, heads| heads.receiver_count() > 0);
        let all: usize = tenants.values().map(watch::Sender::receiver_count).sum();
        let heads = tenants.entry(tenant).or_insert_with(|| watch::Sender::new(0));
        if all >= MOST || heads.receiver_count() >= MOST_OF_ONE {
            return Err(Error::Unavailable("too many follow the events".into()));
        }
        let joined = heads.subscribe();
        drop(tenants);
        self.0.came.notify_one();
        Ok(joined)
    }

    async fn look(self, db: Db) {
        while !self.0.stop.is_cancelled() {
            let tenants: Vec<Uuid> = self.followed();
            if tenants.is_empty() {
                tokio::select! {
                    () = self.0.stop.cancelled() => return,
                    () = self.0.came.notified() => continue,
                }
            }
            match super::store::heads(&db, &tenants).await {
                Ok(heads) => self.tell(heads),
                Err(error) => tracing::debug!(%error, "the newest numbers could not be asked for"),
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    /// The tenants that somebody follows.
    fn followed(&self) -> Vec<Uuid> {
        let mut tenants = self.tenants();
        tenants.retain(|_, heads| heads.receiver_count() > 0);
        let all: usize = tenants.values().map(watch::Sender::receiver_count).sum();
        metrics::gauge!("event_streams").set(f64::from(u32::try_from(all).unwrap_or(u32::MAX)));
        tenants.keys().map(|tenant| tenant.0).collect()
    }

    fn tell(&self, heads: Vec<(TenantId, i64)>) {
        let tenants = self.tenants();
        for (tenant, last) in heads {
            if let Some(told) = tenants.get(&tenant) {
                told.send_if_modified(|known| std::mem::replace(known, last) != last);
            }
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, watch::Sender<i64>>> {
        self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone who follows a tenant's events.
struct Follower {
    db: Db,
    tenant: TenantId,
    origin: Origin,
    /// `after` is the last number that was looked at.
    query: FeedQuery,
    read: VecDeque<Event>,
    has_more: bool,
    heads: watch::Receiver<i64>,
    ends: Instant,
    stop: CancellationToken,
}

/// Tells every event behind `query.after`, or from now on. What cannot be told is said before the answer begins.
///
/// # Errors
/// As for [`super::page`], and [`Error::Unavailable`] when as many follow as may.
pub(super) async fn follow(
    app: App,
    (tenant, origin): (TenantId, Origin),
    mut query: FeedQuery,
) -> Result<Sse<impl Stream<Item = std::result::Result<Message, Infallible>>>> {
    let App { db, followers, .. } = app;
    let heads = followers.join(tenant)?;
    if query.after.is_none() {
        let mut tx = db.tenant(tenant, origin.clone()).await?;
        let newest = super::newest(&mut tx).await;
        query.after = Some(tx.finish(newest).await?);
    }
    let (stop, ends) = (followers.0.stop.clone(), Instant::now() + LONGEST);
    let read = VecDeque::new();
    let mut follower =
        Follower { db, tenant, origin, query, read, has_more: false, heads, ends, stop };
    follower.read_on().await?;
    let messages = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        let message = Message::default().id(event.sequence.to_string());
        // It was made from JSON, so it becomes JSON.
        let message = message.json_data(&event).ok()?;
        Some((Ok(message), follower))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

impl Follower {
    /// The next event; `None` at the end. An error ends the answer: the client comes again with `Last-Event-ID`.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            if self.stop.is_cancelled() || Instant::now() >= self.ends {
                return None;
            }
            if !self.has_more {
                let after = self.query.after.unwrap_or_default();
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    () = sleep_until(self.ends) => return None,
                    newer = self.heads.wait_for(|last| *last > after) => { newer.ok()?; }
                }
            }
            self.read_on().await.ok()?;
        }
    }

    async fn read_on(&mut self) -> Result<()> {
        let mut tx = self.db.tenant(self.tenant, self.origin.clone()).await?;
        let page = super::page(&mut tx, &self.query).await;
        let page = tx.finish(page).await?;
        self.query.after = Some(page.next);
        self.read = page.events.into();
        self.has_more = page.has_more;
        Ok(())
    }
}
