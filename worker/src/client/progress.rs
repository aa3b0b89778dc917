//! Where a request is and where its time went. Each step says when it begins, so that a request that fails or is given
//! up at any moment still knows its phase.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use shared::webhook::attempt::{Connection, Phase, Timings};
use tokio::time::Instant;

/// The course of one request.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// Over what.
    pub connection: Option<Connection>,
    /// How often it was sent again, because a receiver had said that it has not looked at it.
    pub sent_again: u32,
    entered: Instant,
    timings: Timings,
    written: Written,
}

/// When the whole request had been handed to its connection.
type Written = Arc<OnceLock<Instant>>;

impl Progress {
    pub(super) fn begin() -> Self {
        Self {
            phase: Phase::Prepare,
            connection: None,
            sent_again: 0,
            entered: Instant::now(),
            timings: Timings::default(),
            written: Written::default(),
        }
    }

    /// Ends the phase before and begins this one.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.enter_at(phase, Instant::now());
    }

    fn enter_at(&mut self, phase: Phase, now: Instant) {
        self.timings.add(self.phase, now.saturating_duration_since(self.entered));
        (self.phase, self.entered) = (phase, now);
    }

    /// Begins to write `bytes`; from their end on it is the first byte that is awaited.
    pub(super) fn write(&mut self, bytes: Bytes) -> Outgoing {
        self.enter(Phase::Request);
        self.written = Written::default();
        Outgoing { bytes: Some(bytes), written: Arc::clone(&self.written) }
    }

    /// Ends the phase it is in and says which that is.
    pub(super) fn stop(&mut self) -> Phase {
        if let (Phase::Request, Some(written)) = (self.phase, self.written.get().copied()) {
            self.enter_at(Phase::FirstByte, written);
        }
        let phase = self.phase;
        self.enter(phase);
        phase
    }

    /// Where the time went until the last change.
    pub(super) fn timings(&self) -> Timings {
        self.timings
    }
}

/// The body of a request, which notes when it was taken.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Option<Bytes>,
    written: Written,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = self.bytes.take();
        let _ = self.written.set(Instant::now());
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
