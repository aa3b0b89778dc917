//! Ports nobody listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::{fs, io};

/// Below the ports that systems give to whoever asks for any: another test's listener or connection.
const OURS: std::ops::Range<u16> = 10_000..32_768;

/// A loopback port that is free now. Somebody may take it before it is used, so callers that can try again with
/// another.
///
/// # Errors
/// When no port is found.
pub fn free_port() -> io::Result<u16> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(OURS)));
    let found = (0..100).find_map(|_| bind().ok());
    found.map_or_else(bind, Ok)?.local_addr().map(|address| address.port())
}

/// Whether it is this process that listens on the port; taken for granted where there is no `/proc` to ask.
#[must_use]
pub fn listens(pid: u32, port: u16) -> bool {
    let Ok(sockets) = fs::read_to_string("/proc/net/tcp") else { return true };
    let end = format!(":{port:04X}");
    let inodes = sockets.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let listening = columns.get(1)?.ends_with(&end) && *columns.get(3)? == "0A";
        listening.then(|| format!("socket:[{}]", columns.get(9).unwrap_or(&"")))
    });
    let inodes: Vec<_> = inodes.collect();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = open.filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_its_own_processs_and_nobody_elses() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        assert!(!listens(1, port));
        drop(listener);
        assert!(!listens(std::process::id(), port));
    }
}
