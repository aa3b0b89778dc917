//! The status of a QR session as server-sent events. The row is looked at each second: a sign-in lasts minutes and few
//! are under way, so nothing needs to be woken, and a lost connection costs nothing.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use shared::id::QrSessionId;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Status, store};
use crate::App;
use crate::http::streams::StreamPermit;

/// How often the row is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a connection without news shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Someone who waits for news of one session.
struct Watch {
    app: App,
    id: QrSessionId,
    place: StreamPermit,
    looks: Interval,
    told: Option<Status>,
}

/// Tells the status now and at every move, and ends with a final one or with the server.
pub(super) fn watch(
    app: App,
    id: QrSessionId,
    place: StreamPermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { app, id, place, looks, told: None };
    let events = stream::unfold(watch, async |mut watch| {
        let status = watch.next().await?;
        let event = Event::default().event("status").id(status.as_str());
        Some((Ok(event.data(format!("{{\"status\":\"{}\"}}", status.as_str()))), watch))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

impl Watch {
    /// The next status; `None` after the last.
    async fn next(&mut self) -> Option<Status> {
        if self.told.is_some_and(Status::is_final) {
            return None;
        }
        loop {
            tokio::select! {
                () = self.place.stopped() => return None,
                _ = self.looks.tick() => {}
            }
            // An error ends the answer: the browser asks again.
            let found = store::find_anywhere(&self.app.db, self.id).await;
            let row = found.unwrap_or_else(|error| {
                tracing::info!(%error, qr_session_id = %self.id, "a stream ends");
                None
            })?;
            let status = row.status(self.app.db.clock().now());
            if self.told.replace(status) != Some(status) {
                return Some(status);
            }
        }
    }
}
