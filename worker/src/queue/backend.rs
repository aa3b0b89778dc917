//! Our storage for apalis, which brings the runtime: the loop, the concurrency, the panic catcher, the orderly stop.
//! Its shipped storages re-run failed jobs at once and stop for good on a database error; the measurements are in
//! docs/decisions/0006.

use std::convert::Infallible;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::context::WorkerContext;
use shared::id::DeliveryId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use super::Claimed;
use crate::record::Records;

/// Claimed deliveries as apalis takes them.
pub struct DeliveryBackend {
    claimed: mpsc::UnboundedReceiver<Claimed>,
    records: Records,
    stop: CancellationToken,
}

impl DeliveryBackend {
    /// Takes from `claimed`; when the worker ends, `stop` ends the claiming and what was never begun goes back
    /// through `records`.
    #[must_use]
    pub fn new(
        claimed: mpsc::UnboundedReceiver<Claimed>,
        records: Records,
        stop: CancellationToken,
    ) -> Self {
        Self { claimed, records, stop }
    }
}

impl Backend for DeliveryBackend {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.claimed
            .poll_recv(cx)
            .map(|claimed| claimed.map(|claimed| Ok(TaskBuilder::new(claimed).build())))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        self.claimed.close();
        while let Ok(unbegun) = self.claimed.try_recv() {
            self.records.hand_back(unbegun);
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for DeliveryBackend {
    type Args = Claimed;
    type Id = DeliveryId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
