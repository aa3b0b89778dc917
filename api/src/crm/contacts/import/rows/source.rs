//! Bytes on their way from an upload to the thread that reads them.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use crate::error::Error;

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
    /// Hands on everything that arrives until it ends; the reader is told why. What comes after the reader has stopped
    /// is thrown away.
    pub(in super::super) async fn pump(self, arriving: impl Stream<Item = Result<Bytes, Error>>) {
        let mut arriving = std::pin::pin!(arriving);
        while let Some(chunk) = arriving.next().await {
            let _ = self.0.send(chunk.map_err(io::Error::other)).await;
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

/// The error that [`Chunks::pump`] sent, or what else went wrong while reading.
pub(super) fn unbroken(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::BadRequest(format!("The body cannot be read: {error}").into()),
    }
}
