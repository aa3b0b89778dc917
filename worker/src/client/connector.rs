//! Makes connections: DNS, TCP (directly or through the operator's proxy), TLS, each under its own phase.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use shared::webhook::attempt::{Connection, Phase};
use shared::webhook::target::TargetPolicy;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Host;

use super::dial::direct;
use super::place::Place;
use super::pool::{Link, Sender};
use super::progress::Progress;
use super::proxy::Proxy;
use super::resolver::{self, Lookup};
use super::tls::Tls;
use super::{Fault, HEAD, Limits};

/// How often a busy HTTP/2 connection is probed, and how long it may take to reply.
const PING: Duration = Duration::from_secs(10);

/// How long a connection that nobody has any more may take to end. TLS has to write that it ends, and what a receiver
/// does not read would keep it for ever.
const PARTING: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Connector {
    pub policy: Arc<TargetPolicy>,
    pub lookup: Lookup,
    pub tls: Tls,
    pub proxy: Option<Proxy>,
    pub limits: Limits,
}

impl Connector {
    /// A connection to `place`, within [`Limits::connect`].
    pub(super) async fn connect(
        &self,
        place: &Place,
        progress: &mut Progress,
    ) -> Result<Link, Fault> {
        timeout(self.limits.connect, self.open(place, progress))
            .await
            .unwrap_or(Err(Fault::ConnectTimeout))
    }

    async fn open(&self, place: &Place, progress: &mut Progress) -> Result<Link, Fault> {
        // Of a kept one that was closed meanwhile nothing is told.
        progress.connection = None;
        let addrs = self.addresses(place, progress).await?;
        progress.enter(Phase::Connect);
        progress.connection = addrs.first().map(|addr| self.to(*addr));
        let (stream, addr) = match &self.proxy {
            None => direct(addrs).await.map_err(|error| Fault::of_connect(&error))?,
            Some(proxy) => proxy.tunnel(&addrs, self.limits.connect / 2).await?,
        };
        let _ = stream.set_nodelay(true);
        let connection = self.to(addr);
        progress.connection = Some(connection.clone());
        if !place.https {
            return self.http1(TokioIo::new(stream), connection).await;
        }
        progress.enter(Phase::Tls);
        let tls = self.tls.connector(place.identity.as_ref())?;
        let stream = tls.connect(server_name(&place.host)?, stream).await;
        let stream = stream.map_err(|error| Fault::of_tls(&error))?;
        self.secure(stream, connection).await
    }

    /// A connection there, before anything is known of it.
    fn to(&self, addr: SocketAddr) -> Connection {
        Connection {
            address: addr.to_string(),
            reused: false,
            proxied: self.proxy.is_some(),
            made: false,
            http_version: "HTTP/1.1".into(),
            tls_version: None,
            tls_cipher: None,
        }
    }

    async fn addresses(
        &self,
        place: &Place,
        progress: &mut Progress,
    ) -> Result<Vec<SocketAddr>, Fault> {
        match &place.host {
            // The policy has seen literal addresses in the URL.
            Host::Ipv4(addr) => Ok(vec![SocketAddr::new((*addr).into(), place.port)]),
            Host::Ipv6(addr) => Ok(vec![SocketAddr::new((*addr).into(), place.port)]),
            Host::Domain(name) => {
                progress.enter(Phase::Dns);
                resolver::resolve(&self.policy, &self.lookup, name, place.port).await
            }
        }
    }

    /// Speaks what the receiver chose in the handshake.
    async fn secure(
        &self,
        stream: TlsStream<TcpStream>,
        mut connection: Connection,
    ) -> Result<Link, Fault> {
        let session = stream.get_ref().1;
        connection.tls_version =
            session.protocol_version().map(|version| format!("{version:?}").replace('_', "."));
        connection.tls_cipher =
            session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        if session.alpn_protocol() == Some(b"h2") {
            return self.http2(TokioIo::new(stream), connection).await;
        }
        self.http1(TokioIo::new(stream), connection).await
    }

    async fn http1(
        &self,
        io: impl Read + Write + Send + Unpin + 'static,
        about: Connection,
    ) -> Result<Link, Fault> {
        let about = Connection { made: true, ..about };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD);
        let (sender, connection) =
            builder.handshake(io).await.map_err(|error| Fault::of_exchange(&error))?;
        Ok(Link::new(Sender::Http1(sender), driven(connection), about, self.limits.age))
    }

    /// Given as much window as will be read, so that a receiver cannot make this process buffer more.
    async fn http2(
        &self,
        io: impl Read + Write + Send + Unpin + 'static,
        about: Connection,
    ) -> Result<Link, Fault> {
        let about = Connection { made: true, http_version: "HTTP/2".into(), ..about };
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(u32::try_from(self.limits.body).ok())
            // Beyond it the library does not tell a long head from a broken one, so we look at those a little above
            // ourselves.
            .max_header_list_size(u32::try_from(2 * HEAD).unwrap_or(u32::MAX))
            // Requests that were given up do not close a shared connection: only this finds out that it is dead.
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let (sender, connection) =
            builder.handshake(io).await.map_err(|error| Fault::of_exchange(&error))?;
        Ok(Link::new(Sender::Http2(sender), driven(connection), about, self.limits.age))
    }
}

/// Drives a connection until it ends, and no longer than [`PARTING`] after the last link to it is gone.
fn driven(connection: impl Future + Send + 'static) -> Arc<DropGuard> {
    let gone = CancellationToken::new();
    let held = Arc::new(gone.clone().drop_guard());
    tokio::spawn(async move {
        let parted = async {
            gone.cancelled().await;
            tokio::time::sleep(PARTING).await;
        };
        tokio::select! {
            _ = connection => {}
            () = parted => {}
        }
    });
    held
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, Fault> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| Fault::DnsFailed),
        Host::Ipv4(addr) => Ok(ServerName::IpAddress((*addr).into())),
        Host::Ipv6(addr) => Ok(ServerName::IpAddress((*addr).into())),
    }
}
