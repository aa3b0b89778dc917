//! Bytes on a connection, for what no HTTP client would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// Sends the bytes and reads until the server closes; ask it to with `connection: close`.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the api accepts connections");
    stream.write_all(bytes).await.expect("the api reads the request");
    let mut answer = Vec::new();
    let whole = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    whole.expect("the api answers and closes").expect("the answer is whole");
    String::from_utf8_lossy(&answer).into_owned()
}
