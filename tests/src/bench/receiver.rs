//! A fast receiver of webhooks: answers 200 at once and remembers when each request began to arrive.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::requests::number_in;
use super::wire::{Message, header};
use crate::servers::Result;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When its first byte was there.
    pub at: Instant,
    /// `webhook-id`.
    pub delivery: Uuid,
    /// The number of the contact that it tells of.
    pub number: Option<u64>,
}

/// Receivers on several ports, as tenants have their own. Dropping it ends them.
pub struct Receivers {
    /// Where they listen.
    pub addresses: Vec<SocketAddr>,
    log: Arc<Log>,
    _tasks: JoinSet<()>,
}

struct Log {
    arrivals: Mutex<Vec<Arrival>>,
    count: watch::Sender<usize>,
}

impl Receivers {
    /// Starts to listen on so many ports.
    ///
    /// # Errors
    /// When the system has no port left.
    pub async fn start(ports: usize) -> Result<Self> {
        let log = Arc::new(Log { arrivals: Mutex::default(), count: watch::Sender::new(0) });
        let (mut addresses, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(listener.local_addr()?);
            tasks.spawn(accept(listener, log.clone()));
        }
        Ok(Self { addresses, log, _tasks: tasks })
    }

    /// Takes everything that has arrived so far.
    pub fn take(&self) -> Vec<Arrival> {
        let mut arrivals = self.log.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        self.log.count.send_replace(0);
        std::mem::take(&mut *arrivals)
    }

    /// Waits until so many have arrived since the last [`take`](Self::take).
    ///
    /// # Errors
    /// When it takes longer than `patience`; says how many there are.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Result<()> {
        let mut counts = self.log.count.subscribe();
        let enough = counts.wait_for(|arrived| *arrived >= count);
        if tokio::time::timeout(patience, enough).await.is_ok() {
            return Ok(());
        }
        let arrived = *self.log.count.borrow();
        Err(format!("only {arrived} of {count} deliveries arrived within {patience:?}").into())
    }
}

impl Log {
    fn add(&self, arrival: Arrival) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push(arrival);
        self.count.send_replace(arrivals.len());
    }
}

async fn accept(listener: TcpListener, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let log = log.clone();
        connections.spawn(async move {
            // A sender that closes its connection is no failure, and one that breaks off shows in the count.
            let _ = serve(stream, &log).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, log: &Log) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let at = Instant::now();
        let message = loop {
            if let Some(message) =
                Message::find(&buffer)?.filter(|message| message.end <= buffer.len())
            {
                break message;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the sender closed the connection in a request".into());
            }
        };
        stream.write_all(ANSWER).await?;
        let delivery = header(&buffer[..message.head], "webhook-id").unwrap_or_default().parse()?;
        log.add(Arrival { at, delivery, number: number_in(&buffer[message.head..message.end]) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::wire::Connection;

    #[tokio::test]
    async fn every_request_is_answered_and_remembered_with_its_id_and_number() {
        let receivers = Receivers::start(2).await.unwrap();
        let id = "0193a1b2-0000-8000-a000-000000000001";
        let body = "{\"data\":{\"name\":\"Contact 500000000007\"}}";
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nWebhook-Id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        for address in &receivers.addresses {
            let mut connection = Connection::open(*address).await.unwrap();
            for _ in 0..2 {
                assert_eq!(connection.call(request.as_bytes()).await.unwrap(), 200);
            }
        }
        receivers.wait_for(4, Duration::from_secs(30)).await.unwrap();
        let arrivals = receivers.take();
        assert_eq!(arrivals.len(), 4);
        assert!(arrivals.iter().all(|arrival| arrival.delivery.to_string() == id));
        assert!(arrivals.iter().all(|arrival| arrival.number == Some(500_000_000_007)));
        assert!(receivers.take().is_empty());
    }
}
