//! HTTP/1.1 with as little CPU as it takes: the load generator shares the cores with what it measures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::servers::Result;

/// A message's bytes arrive in a buffer; this is where its parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where the head ends, its blank line included, and the body begins.
    pub head: usize,
    /// Where the body ends.
    pub end: usize,
}

impl Message {
    /// Finds the parts of a message whose head has arrived; the body may be on its way.
    ///
    /// # Errors
    /// A body of unknown length: nothing here sends one.
    pub fn find(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(blank) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = blank + 4;
        if header(&bytes[..head], "transfer-encoding").is_some() {
            return Err("a chunked message, which the benchmark does not read".into());
        }
        let length: usize = header(&bytes[..head], "content-length").unwrap_or("0").parse()?;
        Ok(Some(Self { head, end: head + length }))
    }
}

/// The value of a header; `None` when the head has none of this name.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let mut fields = lines.filter(|line| {
        line.get(name.len()) == Some(&b':')
            && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    });
    Some(str::from_utf8(&fields.next()?[name.len() + 1..]).ok()?.trim())
}

/// A kept-alive connection with one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: usize,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096), body: 0 })
    }

    /// Sends a request and reads the whole answer; returns its status.
    ///
    /// # Errors
    /// A connection that breaks, or an answer that is no HTTP.
    pub async fn call(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let message = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(message) = Message::find(&self.buffer)? {
                break message;
            }
        };
        while self.buffer.len() < message.end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection in an answer".into());
            }
        }
        self.body = message.head;
        let status = self.buffer.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        Ok(status.ok_or("an answer without a status")?.parse()?)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_once_its_head_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";
        let head = bytes.len() - 5;
        assert_eq!(Message::find(&bytes[..head - 1]).unwrap(), None);
        assert_eq!(Message::find(&bytes[..head]).unwrap(), Some(Message { head, end: head + 5 }));
        assert_eq!(header(bytes, "content-length"), Some("5"));
        assert_eq!(header(bytes, "content"), None);
        assert!(Message::find(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
