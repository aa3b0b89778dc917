//! A request's bytes as they arrive: not too many, not too slowly, and no faster than they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// The largest upload in bytes: 64 MiB.
const MOST: usize = 64 * 1024 * 1024;
/// What a form may hold around its file and before it: 1 MiB.
const AROUND: usize = 1024 * 1024;
/// What is read beyond the limit and thrown away, so that its sender gets the answer instead of a reset.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
/// How long an upload may pause.
const PAUSE: Duration = Duration::from_secs(10);
/// How long it may take in all.
pub(super) const WHOLE: Duration = Duration::from_mins(15);

/// How many bytes may arrive.
#[derive(Clone)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Room {
    /// For a file that is the body.
    pub(super) fn for_file() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST)))
    }

    /// For a form, until its file begins: what comes before is held in memory.
    pub(super) fn for_form() -> Self {
        Self(Arc::new(AtomicUsize::new(AROUND)))
    }

    /// The form's file begins.
    pub(super) fn file_begins(&self) {
        self.0.store(MOST + AROUND, Ordering::Relaxed);
    }

    fn left(&self, seen: usize) -> Option<usize> {
        self.0.load(Ordering::Relaxed).checked_sub(seen)
    }
}

/// What arrives of a body, until it ends or something is wrong with it.
pub(super) fn arriving(body: Body, room: Room) -> BoxStream<'static, Result<Bytes>> {
    let end = Instant::now() + WHOLE;
    let arrived = stream::try_unfold((body, 0), move |(mut body, mut seen)| {
        let room = room.clone();
        async move {
            let Some(chunk) = next(&mut body, end).await? else { return Ok(None) };
            seen += chunk.len();
            if room.left(seen).is_some() {
                return Ok(Some((chunk, (body, seen))));
            }
            let mut drained = 0;
            while drained < MAX_DRAIN {
                let Some(chunk) = next(&mut body, end).await? else { break };
                drained += chunk.len();
            }
            Err(Error::PayloadTooLarge(MOST))
        }
    });
    Paced { arrived: arrived.boxed(), rests: false }.boxed()
}

async fn next(body: &mut Body, end: Instant) -> Result<Option<Bytes>> {
    loop {
        let frame = timeout_at(end.min(Instant::now() + PAUSE), body.frame()).await;
        let Some(frame) = frame.map_err(|_| Error::SlowBody)? else { return Ok(None) };
        let frame = frame.map_err(|_| Error::BadRequest("The body broke off".into()))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Rests after each piece: `multer` takes whatever is ready before it gives anything on, which would be the whole
/// file when its sender is quicker than its reader.
struct Paced {
    arrived: BoxStream<'static, Result<Bytes>>,
    rests: bool,
}

impl Stream for Paced {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.arrived.poll_next_unpin(cx);
        self.rests = next.is_ready();
        next
    }
}
