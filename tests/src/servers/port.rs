//! Ports nobody listens on.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A loopback port that is free now. Somebody may take it before it is used, so callers try again with another.
///
/// # Errors
/// When the system has no port left.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
