//! How a process is told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// SIGTERM or SIGINT. Listening begins with the call, not with the first poll: whoever reads in the log that a process
/// works may stop it at once.
///
/// # Errors
/// The operating system refuses to tell of signals.
pub fn signalled() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
