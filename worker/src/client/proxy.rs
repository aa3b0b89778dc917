//! The operator's own way out. The receiver's name is resolved and checked before the proxy hears of it, and the proxy
//! is given the address, so that the guard holds behind it too. Everything goes through a tunnel (RFC 9110 §9.3.6).

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::secret::Secret;
use shared::settings::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::Fault;

/// The largest head of a proxy's answer.
const HEAD: usize = 8 * 1024;

/// An HTTP proxy. Its credentials are never written anywhere but to itself.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<Secret<String>>,
}

/// What is wrong with the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyProblem {
    /// It is not there.
    #[error("it cannot be reached")]
    Unreachable,
    /// It speaks something else.
    #[error("it does not speak HTTP")]
    Garbage,
    /// A status that does not speak of the receiver, such as 407.
    #[error("it answered {0}")]
    Status(u16),
}

impl Proxy {
    /// A connection to the first of these addresses that the proxy reaches. The proxy itself has to be reached within
    /// `patience`: it is near, and its silence must not be taken for the receiver's.
    pub(super) async fn tunnel(
        &self,
        addrs: &[SocketAddr],
        patience: Duration,
    ) -> Result<(TcpStream, SocketAddr), Fault> {
        let mut fault = Fault::ProxyFailed(ProxyProblem::Unreachable);
        for addr in addrs {
            match self.connect(*addr, patience).await {
                Ok(stream) => return Ok((stream, *addr)),
                // It does not depend on the address, and the wait for it is not to be the receiver's.
                Err(error @ Fault::ProxyFailed(ProxyProblem::Unreachable)) => return Err(error),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn connect(&self, addr: SocketAddr, patience: Duration) -> Result<TcpStream, Fault> {
        let (stream, answer) = self.ask(addr, patience).await.map_err(Fault::ProxyFailed)?;
        match answer {
            200..=299 => Ok(stream),
            // So it says that there is nobody (RFC 9110, 15.6): the receiver's fault, or nobody would hear that it is
            // down.
            502 | 503 => Err(Fault::ConnectFailed),
            504 => Err(Fault::ConnectTimeout),
            other => Err(Fault::ProxyFailed(ProxyProblem::Status(other))),
        }
    }

    /// Asks it for a tunnel; the status that it answers with. That it says nothing more may be because the receiver
    /// does not.
    async fn ask(
        &self,
        addr: SocketAddr,
        patience: Duration,
    ) -> Result<(TcpStream, u16), ProxyProblem> {
        let made = timeout(patience, TcpStream::connect((&*self.host, self.port))).await;
        let made = made.map_err(|_| ProxyProblem::Unreachable)?;
        let mut stream = made.map_err(|_| ProxyProblem::Unreachable)?;
        let authorization = self.authorization.as_ref().map_or(String::new(), |credentials| {
            format!("proxy-authorization: Basic {}\r\n", credentials.expose())
        });
        let request = format!("CONNECT {addr} HTTP/1.1\r\nhost: {addr}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|_| ProxyProblem::Unreachable)?;
        let answer = status(&head(&mut stream).await?).ok_or(ProxyProblem::Garbage)?;
        Ok((stream, answer))
    }
}

/// Byte by byte: what follows the head belongs to the receiver.
async fn head(stream: &mut TcpStream) -> Result<Vec<u8>, ProxyProblem> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD {
            return Err(ProxyProblem::Garbage);
        }
        head.push(stream.read_u8().await.map_err(|_| ProxyProblem::Unreachable)?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// `http://user:password@host:port`.
impl Value for Proxy {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        // Never with the text, which may hold a password.
        let fault = || "write http://host:port or http://user:password@host:port".to_owned();
        let url = Url::parse(text).map_err(|_| fault())?;
        let port = url.port_or_known_default().filter(|_| url.scheme() == "http");
        let (Some(host), Some(port)) = (url.host_str(), port) else { return Err(fault()) };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(fault());
        }
        let decoded = |text: &str| {
            let pair = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes())
                .map(|(_, value)| value.into_owned())
                .collect::<String>()
        };
        let authorization = (!url.username().is_empty()).then(|| {
            let password = decoded(url.password().unwrap_or_default());
            Secret::new(STANDARD.encode(format!("{}:{password}", decoded(url.username()))))
        });
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, authorization })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_address_with_or_without_credentials_that_nobody_gets_to_see() {
        let proxy = Proxy::parse("http://ada:p%40ss+w@proxy.example:3128").unwrap();
        assert_eq!((&*proxy.host, proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.authorization.as_ref().unwrap().expose(), &STANDARD.encode("ada:p@ss+w"));
        assert_eq!(format!("{proxy:?}"), "proxy.example:3128");
        assert!(Proxy::parse("http://[::1]:8080").unwrap().authorization.is_none());
        for bad in [
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://p/x",
            "http://p:1?x",
        ] {
            let fault = Proxy::parse(bad).unwrap_err();
            assert!(!fault.contains(bad), "{fault}");
        }
    }

    #[test]
    fn the_status_of_a_proxy_is_read_from_its_first_line() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", Some(407)),
            ("HTTP/1.1 502\r\n\r\n", Some(502)),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }
}
