//! Bytes on their way from an upload to the thread that reads them.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use crate::error::Error;

/// The largest upload in bytes: 64 MiB.
pub(super) const MOST: usize = 64 * 1024 * 1024;
/// What is read beyond it and thrown away, so that its sender gets the answer instead of a reset.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
/// How long an upload may pause.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an upload's bytes are put.
pub(in super::super) struct Chunks(mpsc::Sender<io::Result<Bytes>>);

/// Where they are read.
pub(in super::super) struct Source {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Source {
    /// The two ends.
    pub(in super::super) fn new() -> (Chunks, Self) {
        let (sender, chunks) = mpsc::channel(4);
        (Chunks(sender), Self { chunks, current: Bytes::new() })
    }
}

impl Chunks {
    /// Hands on everything that a body holds, until it ends, pauses too long or is too long; the reader is told why.
    /// What comes after the reader has stopped is thrown away, up to a limit.
    pub(in super::super) async fn pump(self, body: impl Stream<Item = Result<Bytes, Error>>) {
        let mut body = std::pin::pin!(body);
        let (mut seen, mut listens) = (0, true);
        loop {
            let chunk = match tokio::time::timeout(PATIENCE, body.next()).await {
                Err(_) => Err(Error::SlowBody),
                Ok(None) => return,
                Ok(Some(chunk)) => chunk,
            };
            let chunk = chunk.and_then(|chunk| {
                seen += chunk.len();
                if listens && seen > MOST { Err(Error::PayloadTooLarge(MOST)) } else { Ok(chunk) }
            });
            let over = match &chunk {
                Err(Error::PayloadTooLarge(_)) => false,
                Err(_) => true,
                Ok(_) => seen > MOST + MAX_DRAIN,
            };
            if listens {
                listens = !chunk.is_err() & self.0.send(chunk.map_err(broken)).await.is_ok();
            }
            if over {
                return;
            }
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.current = chunk?,
            }
        }
        let length = self.current.len().min(into.len());
        self.current.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::other(error)
}

/// The error that [`Chunks::pump`] sent, or what else went wrong while reading.
pub(super) fn unbroken(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::BadRequest(format!("The body cannot be read: {error}").into()),
    }
}
