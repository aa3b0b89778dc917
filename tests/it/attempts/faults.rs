//! Faults that are injected into the way to a receiver; each is named right, with the phase that it happened in.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rcgen::{CertificateParams, date_time_ymd};
use serde_json::{Value, json};
use tests::kit::{Authority, CONTACTS, Nobody, TcpServer, TestApp, read_webhook};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use url::Url;
use worker::client::{Lookup, Roots};

use super::last_attempt;

/// A fault: where it waits, the code or warning it must be given, the phase, and the delivery's status then.
struct Fault {
    url: String,
    code: &'static str,
    phase: &'static str,
    status: &'static str,
}

fn fault(url: impl Into<String>, code: &'static str, phase: &'static str) -> Fault {
    Fault { url: url.into(), code, phase, status: "pending" }
}

/// Names of these tests, and what DNS says of them.
async fn lookup(host: String) -> io::Result<Vec<SocketAddr>> {
    let at = |ip: Ipv4Addr| Ok(vec![SocketAddr::new(IpAddr::V4(ip), 0)]);
    match &*host {
        "nowhere.example.com" => Err(io::Error::other("no such host")),
        "inside.example.com" => at(Ipv4Addr::new(10, 0, 0, 1)),
        "slow.example.com" => std::future::pending().await,
        _ => at(Ipv4Addr::LOCALHOST),
    }
}

/// Reads a webhook, writes this and closes.
async fn answering(answer: impl Into<Vec<u8>>) -> TcpServer {
    let answer = answer.into();
    TcpServer::start(move |mut stream| {
        let answer = answer.clone();
        async move {
            read_webhook(&mut stream).await?;
            stream.write_all(&answer).await
        }
    })
    .await
}

/// Reads a webhook, writes `head` and then `piece` for ever.
async fn going_on(head: &'static str, piece: Vec<u8>, pause: Duration) -> TcpServer {
    TcpServer::start(move |mut stream| {
        let piece = piece.clone();
        async move {
            read_webhook(&mut stream).await?;
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&piece).await?;
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await
}

/// Answers over TLS under this name.
async fn secure(
    authority: &Authority,
    name: &str,
    edit: impl FnOnce(&mut CertificateParams),
) -> TcpServer {
    let acceptor = authority.acceptor(name, edit, None);
    TcpServer::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            read_webhook(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
        }
    })
    .await
}

/// What must live as long as its faults.
#[derive(Default)]
struct Kept {
    servers: Vec<TcpServer>,
    nobodies: Vec<Nobody>,
    streams: Vec<TcpStream>,
    listener: Option<tokio::net::TcpListener>,
}

impl Kept {
    fn url(&mut self, server: TcpServer) -> String {
        self.servers.push(server);
        self.servers.last().unwrap().url()
    }

    fn https(&mut self, name: &str, server: TcpServer) -> String {
        let url = format!("https://{name}:{}/hook", server.address().port());
        self.servers.push(server);
        url
    }

    /// A port that nobody listens on.
    fn refused(&mut self) -> String {
        let nobody = Nobody::here();
        let url = format!("http://{}/hook", nobody.address());
        self.nobodies.push(nobody);
        url
    }

    /// A port whose queue of connections is full, at one more than it was made for: the kernel drops what knocks.
    async fn blackhole(&mut self) -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..2 {
            self.streams.push(TcpStream::connect(address).await.unwrap());
        }
        self.listener = Some(listener);
        format!("http://{address}/hook")
    }
}

async fn without_a_connection(kept: &mut Kept, authority: &Authority) -> Vec<Fault> {
    let expired = secure(authority, "hooks.example.com", |params| {
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
    });
    let renamed = secure(authority, "other.example.com", |_| ());
    let stranger = Authority::new();
    let untrusted = secure(&stranger, "hooks.example.com", |_| ());
    let (expired, renamed, untrusted) = tokio::join!(expired, renamed, untrusted);
    let garbage = TcpServer::start(|mut stream| async move {
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await?;
        std::future::pending().await
    });
    let name = "hooks.example.com";
    vec![
        fault("http://169.254.169.254/latest", "url_blocked", "prepare"),
        fault("http://nowhere.example.com/", "dns_failed", "dns"),
        fault("http://inside.example.com/", "address_blocked", "dns"),
        fault("http://slow.example.com/", "connect_timeout", "dns"),
        fault(kept.refused(), "connect_failed", "connect"),
        fault(kept.blackhole().await, "connect_timeout", "connect"),
        fault(kept.https(name, expired), "certificate_expired", "tls"),
        fault(kept.https(name, renamed), "certificate_wrong_name", "tls"),
        fault(kept.https(name, untrusted), "certificate_untrusted", "tls"),
        fault(kept.https(name, garbage.await), "tls_failed", "tls"),
        fault(kept.https(name, TcpServer::silent().await), "connect_timeout", "tls"),
    ]
}

async fn without_an_answer(kept: &mut Kept) -> Vec<Fault> {
    let reset = TcpServer::start(|mut stream| async move {
        read_webhook(&mut stream).await?;
        stream.set_zero_linger()
    });
    let drip = going_on("HTTP/1.1 200 OK\r\nx-drip: ", b"x".to_vec(), Duration::from_millis(100));
    let flood = going_on("HTTP/1.1 200 OK\r\n", b"x-flood: yes\r\n".repeat(100), Duration::ZERO);
    vec![
        fault(kept.url(reset.await), "connection_reset", "first_byte"),
        fault(
            kept.url(answering("HTTP/1.1 200 OK\r\ncontent-le").await),
            "connection_reset",
            "first_byte",
        ),
        fault(kept.url(TcpServer::silent().await), "timeout", "first_byte"),
        fault(kept.url(drip.await), "timeout", "first_byte"),
        fault(
            kept.url(answering("SSH-2.0-OpenSSH_9.2p1\r\n\r\n").await),
            "invalid_response",
            "first_byte",
        ),
        fault(kept.url(flood.await), "headers_too_large", "first_byte"),
    ]
}

async fn with_an_answer(kept: &mut Kept) -> Vec<Fault> {
    let status = |line: &str| answering(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"));
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
    let endless = going_on(long, vec![b'x'; 16 * 1024], Duration::ZERO).await;
    let dripping = going_on(long, b"x".to_vec(), Duration::from_millis(100)).await;
    let broken = answering("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await;
    let mut faults = vec![
        fault(kept.url(status("307 Elsewhere\r\nlocation: /").await), "redirect", "response"),
        fault(kept.url(status("404 Not Found").await), "http_status", "response"),
        fault(kept.url(status("500 Oh").await), "http_status", "response"),
        fault(kept.url(status("429 Slow\r\nretry-after: 200").await), "rate_limited", "response"),
        Fault { status: "failed", ..fault(kept.url(status("410 Gone").await), "gone", "response") },
    ];
    for (server, code) in
        [(endless, "body_too_large"), (dripping, "body_timeout"), (broken, "body_incomplete")]
    {
        faults.push(Fault { status: "delivered", ..fault(kept.url(server), code, "body") });
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_injected_fault_is_named_right_with_its_phase() {
    let (mut kept, authority) = (Kept::default(), Authority::new());
    let mut faults = without_a_connection(&mut kept, &authority).await;
    faults.extend(without_an_answer(&mut kept).await);
    faults.extend(with_an_answer(&mut kept).await);
    let (slow, quick): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| fault.code.ends_with("timeout"));
    assert!(slow.len() >= 6 && quick.len() >= 15, "{} {}", slow.len(), quick.len());
    // What shows itself has all the time that it needs; what does not has little.
    all_are_named(&quick, &authority, [30, 30]).await;
    all_are_named(&slow, &authority, [4, 6]).await;
}

/// Meets these faults with so many seconds for the connection and for everything.
async fn all_are_named(faults: &[Fault], authority: &Authority, [connect, total]: [u64; 2]) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut webhooks = Vec::new();
    for fault in faults {
        let webhook = acme.webhook("http://127.0.0.1:9/", &["*"]).await["id"].clone();
        // Past the check at registration: addresses can go bad later.
        sqlx::query("update webhooks set url = $1 where id = $2::uuid")
            .bind(&fault.url)
            .bind(webhook.as_str())
            .execute(app.database.admin())
            .await
            .unwrap();
        webhooks.push(webhook.as_str().unwrap().to_owned());
    }
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker_with(|config| {
        config.limits.connect = Duration::from_secs(connect);
        config.limits.total = Duration::from_secs(total);
        config.way.lookup = Lookup::new(lookup);
        config.way.roots = Roots(vec![authority.certificate()]);
    });
    assert_eq!(worker.drain().await.unwrap(), faults.len());

    let mut wrong = Vec::new();
    for (fault, webhook) in faults.iter().zip(&webhooks) {
        let (status, attempt) = last_attempt(&acme, webhook).await;
        let code =
            [&attempt["errorCode"], &attempt["warning"]].into_iter().find(|code| !code.is_null());
        let named = (code.cloned().unwrap_or(Value::Null), &attempt["phase"], &*status);
        if named != (json!(fault.code), &json!(fault.phase), fault.status) {
            wrong.push(format!("{} {} {}: {attempt:#}", fault.code, fault.phase, fault.url));
        }
        let why = match (fault.code, fault.status) {
            ("rate_limited", _) => "retry_after",
            (_, "failed") => "gone",
            (_, "delivered") => "delivered",
            _ => "schedule",
        };
        assert_eq!(attempt["next"]["why"], why, "{attempt:#}");
        let port = Url::parse(&fault.url).unwrap().port_or_known_default().unwrap();
        let to = attempt["connection"]["address"].as_str().map(str::to_owned);
        let found = !["prepare", "dns"].contains(&fault.phase);
        assert_eq!(to, found.then(|| format!("127.0.0.1:{port}")), "{attempt:#}");
        let made = !["prepare", "dns", "connect", "tls"].contains(&fault.phase);
        let shown = attempt["connection"]["made"].as_bool();
        assert_eq!(shown, found.then_some(made), "{attempt:#}");
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), faults.len());
}
