//! TCP, to whichever of a name's addresses answers first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one address is waited for before the next one is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// The first connection of all addresses, in their order, each begun when the one before has failed or taken long.
pub(super) async fn direct(addrs: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
    let mut addrs = addrs.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
    loop {
        let next = addrs.next();
        let more = next.is_some();
        if let Some(addr) = next {
            under_way.push(async move {
                let made = TcpStream::connect(addr).await;
                made.map(|made| (made, addr)).map_err(|error| without_ipv6(addr, error))
            });
        }
        let ended = if more {
            timeout(STAGGER, under_way.next()).await.ok()
        } else {
            Some(under_way.next().await)
        };
        match ended {
            Some(Some(Ok(made))) => return Ok(made),
            Some(Some(Err(error))) => last = error,
            Some(None) if !more => return Err(last),
            Some(None) | None => {}
        }
    }
}

/// Where IPv6 is off, Linux has no address to connect from (EADDRNOTAVAIL), as when it has run out of ports: the
/// receiver is out of reach.
fn without_ipv6(addr: SocketAddr, error: io::Error) -> io::Error {
    if addr.is_ipv6() && error.kind() == io::ErrorKind::AddrNotAvailable {
        return io::ErrorKind::NetworkUnreachable.into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Fault;

    #[test]
    fn a_machine_without_ipv6_is_no_machine_without_ports() {
        let fault = |addr: &str| {
            let error = io::Error::from_raw_os_error(99);
            Fault::of_connect(&without_ipv6(addr.parse().unwrap(), error))
        };
        assert_eq!(fault("[2606:4700::1111]:443"), Fault::ConnectFailed);
        assert_eq!(fault("1.1.1.1:443"), Fault::RequestFailed);
    }
}
