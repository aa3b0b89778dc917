//! What the runner prints. A thread of its own does the writing: a reader that has stopped reading, or is gone, must
//! not stop the product.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines waiting to be written; more are dropped.
const BACKLOG: usize = 1_000;

enum Message {
    Text(String),
    /// Everything before has been written.
    Flush(SyncSender<()>),
}

fn writer() -> &'static SyncSender<Message> {
    static WRITER: OnceLock<SyncSender<Message>> = OnceLock::new();
    WRITER.get_or_init(|| {
        let (sender, messages) = sync_channel(BACKLOG);
        thread::spawn(move || write(&messages));
        sender
    })
}

fn write(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Text(text) => {
                let mut out = io::stdout();
                // Nobody is left to tell when standard output is closed.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Prints the text as it is, without a line end of its own.
pub fn say(text: impl Into<String>) {
    // Dropped when the reader is a thousand lines behind.
    let _ = writer().try_send(Message::Text(text.into()));
}

/// Waits a moment for what was said to be written.
pub fn finish() {
    let (done, written) = sync_channel(1);
    if writer().try_send(Message::Flush(done)).is_ok() {
        let _ = written.recv_timeout(Duration::from_secs(1));
    }
}
