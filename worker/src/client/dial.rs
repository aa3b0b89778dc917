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
            under_way.push(async move { TcpStream::connect(addr).await.map(|made| (made, addr)) });
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
