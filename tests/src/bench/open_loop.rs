//! Open-loop calls: each begins when its event is due, on a connection that is free or new.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::requests::{Numbers, create_contact};
use super::stage::Tenant;
use super::wire::Connection;
use crate::servers::Result;

/// Open before the first event, so that few calls wait for one.
const CONNECTIONS: usize = 16;

/// One call of the api.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The contact that it created.
    pub number: u64,
    pub due: Instant,
    pub started: Instant,
    pub answered: Instant,
}

/// Creates a contact for each event, for one tenant after the other.
///
/// # Errors
/// At the first call that fails.
pub async fn create_contacts(
    address: SocketAddr,
    tenants: &[Tenant],
    numbers: &Numbers,
    mut events: UnboundedReceiver<Instant>,
) -> Result<Vec<Call>> {
    let keys: Arc<[String]> = tenants.iter().map(|tenant| tenant.api_key.clone()).collect();
    // First in, first out: a connection that idles for long is closed by the server.
    let mut idle = VecDeque::new();
    for _ in 0..CONNECTIONS {
        idle.push_back(Connection::open(address).await?);
    }
    let (mut calls, mut running, mut over) = (Vec::new(), JoinSet::new(), false);
    while !over || !running.is_empty() {
        tokio::select! {
            event = events.recv(), if !over => match event {
                Some(due) => {
                    let (connection, number) = (idle.pop_front(), numbers.next());
                    running.spawn(call(address, connection, keys.clone(), number, due));
                }
                None => over = true,
            },
            Some(ended) = running.join_next() => {
                let (connection, call) = ended??;
                idle.push_back(connection);
                calls.push(call);
            }
        }
    }
    Ok(calls)
}

async fn call(
    address: SocketAddr,
    connection: Option<Connection>,
    keys: Arc<[String]>,
    number: u64,
    due: Instant,
) -> Result<(Connection, Call)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(address).await?,
    };
    let mut request = Vec::with_capacity(512);
    let tenant = usize::try_from(number)? % keys.len();
    create_contact(&keys[tenant], number, &mut request);
    let started = Instant::now();
    let status = connection.call(&request).await?;
    let answered = Instant::now();
    if status != 201 {
        let body = String::from_utf8_lossy(connection.body());
        return Err(format!("the api answered {status}: {body}").into());
    }
    Ok((connection, Call { number, due, started, answered }))
}
