//! What a process tells whoever started it: systemd with `Type=notify`, where `NOTIFY_SOCKET` names it; a container's
//! runtime, by a health check.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the process serves, and from then on that it lives, where the manager watches (`WatchdogSec=`).
/// To be called inside the runtime.
pub fn ready() {
    tell(NotifyState::Ready);
    if let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) {
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

/// How long a health check waits for each step.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the process that has this operators' address, on this machine, whether it lives (`/healthz`): an image has no
/// other program to ask with.
///
/// # Errors
/// Nobody answers, or not `200`.
pub fn lives(mut admin: SocketAddr) -> io::Result<()> {
    match admin.ip() {
        IpAddr::V4(all) if all.is_unspecified() => admin.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(all) if all.is_unspecified() => admin.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let mut stream = TcpStream::connect_timeout(&admin, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    if status.ends_with(b" 200") {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&status)))
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
