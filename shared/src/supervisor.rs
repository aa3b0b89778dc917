//! What a process tells the service manager that started it: systemd, with `Type=notify`. Where `NOTIFY_SOCKET` names
//! none, nothing is told.

use sd_notify::NotifyState;

/// Says that the process serves, and from then on that it lives, where the manager watches (`WatchdogSec=`).
/// To be called inside the runtime.
pub fn ready() {
    tell(NotifyState::Ready);
    if let Some(period) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(period / 2);
            loop {
                tick.tick().await;
                tell(NotifyState::Watchdog);
            }
        });
    }
}

/// Says that the process takes nothing new, and ends when what is under way is done.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
