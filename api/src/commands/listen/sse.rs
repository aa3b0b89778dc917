//! Server-sent events, as far as this feed uses them: `id` and `data`, divided by an empty line.

/// A message: one of the two at least.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// What to come again with.
    pub id: Option<String>,
    /// The event, as JSON.
    pub data: Option<String>,
}

/// What has arrived and is not read yet.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// Adds what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole message; comments are none.
    pub(super) fn next(&mut self) -> Option<Message> {
        loop {
            let end = self.0.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            let mut message = Message::default();
            for line in String::from_utf8_lossy(&block).lines() {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
                match name {
                    "id" => message.id = Some(value),
                    "data" => message.data = Some(value),
                    _ => {}
                }
            }
            if message != Message::default() {
                return Some(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let text = b"id: 41\n\n:\n\nid: 42\ndata: {\"a\":1}\n\ndata:x\n\nid: 43\nda";
        let (mut buffer, mut read) = (Buffer::default(), Vec::new());
        for byte in text {
            buffer.push(&[*byte]);
            read.extend(std::iter::from_fn(|| buffer.next()));
        }
        let message = |id: Option<&str>, data: Option<&str>| Message {
            id: id.map(str::to_owned),
            data: data.map(str::to_owned),
        };
        assert_eq!(
            read,
            [
                message(Some("41"), None),
                message(Some("42"), Some("{\"a\":1}")),
                message(None, Some("x")),
            ]
        );
    }
}
