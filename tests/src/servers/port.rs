//! Ports nobody listens on.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

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
