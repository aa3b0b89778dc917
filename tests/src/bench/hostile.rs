//! Receivers that mean harm: every other one answers with a body of 1 GiB, the others with one byte after the other and
//! no end.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::wire::Message;
use crate::servers::Result;

/// The head of an answer whose body of 1 GiB follows.
const GIB: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
/// The head of one that never ends.
const DRIP: &[u8] = b"HTTP/1.1 200 OK\r\nx-drip: ";

/// See the module. Dropping it ends them.
pub struct Hostile {
    addresses: [SocketAddr; 2],
    count: Arc<Count>,
    former: Vec<(Uuid, String)>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Count {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Hostile {
    /// Starts them, and turns every webhook to one of them.
    ///
    /// # Errors
    /// The system's or the database's.
    pub async fn start(session: &mut PgConnection) -> Result<Self> {
        let (count, mut tasks) = (Arc::<Count>::default(), JoinSet::new());
        let mut listen = async |drips: bool| -> Result<SocketAddr> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            tasks.spawn(accept(listener, drips, count.clone()));
            Ok(address)
        };
        let addresses = [listen(false).await?, listen(true).await?];
        let webhooks = "select id, url from webhooks order by id";
        let former: Vec<(Uuid, String)> = sqlx::query_as(webhooks).fetch_all(&mut *session).await?;
        let hostile = Self { addresses, count, former, _tasks: tasks };
        for (number, (webhook, _)) in hostile.former.iter().enumerate() {
            let url = format!("http://{}/", hostile.addresses[number % 2]);
            turn(session, *webhook, &url).await?;
        }
        Ok(hostile)
    }

    /// Turns the webhooks back; says how many requests were under way at most.
    ///
    /// # Errors
    /// The database's.
    pub async fn leave(self, session: &mut PgConnection) -> Result<usize> {
        for (webhook, url) in &self.former {
            turn(session, *webhook, url).await?;
        }
        Ok(self.count.most.load(Ordering::SeqCst))
    }
}

/// Turns a webhook to another receiver, past the api.
///
/// # Errors
/// The database's.
pub async fn turn(session: &mut PgConnection, webhook: Uuid, url: &str) -> Result<()> {
    let sql = "update webhooks set url = $1, active = true, disabled_reason = null where id = $2";
    sqlx::query(sql).bind(url).bind(webhook).execute(session).await?;
    Ok(())
}

async fn accept(listener: TcpListener, drips: bool, count: Arc<Count>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let count = count.clone();
        connections.spawn(async move {
            let open = count.open.fetch_add(1, Ordering::SeqCst) + 1;
            count.most.fetch_max(open, Ordering::SeqCst);
            // It ends when the worker has had enough.
            let _ = answer(stream, drips).await;
            count.open.fetch_sub(1, Ordering::SeqCst);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, drips: bool) -> Result<()> {
    let mut request = Vec::with_capacity(4096);
    while Message::find(&request)?.is_none_or(|message| message.end > request.len()) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(if drips { DRIP } else { GIB }).await?;
    let piece = vec![b'x'; if drips { 1 } else { 64 * 1024 }];
    loop {
        stream.write_all(&piece).await?;
        if drips {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
