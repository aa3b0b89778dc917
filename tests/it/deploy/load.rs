//! Callers that go on creating contacts, each once, whatever happens to the product.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::kit::{CONTACTS, Caller, Receiver};
use tokio::task::JoinSet;

const WRITERS: usize = 4;

/// Far longer than anything here takes, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Contacts created, and requests that were answered anything else or not at all.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    created: Mutex<BTreeSet<String>>,
    failures: Mutex<Vec<String>>,
}

/// Writers at work.
pub struct Load {
    seen: Arc<Seen>,
    writers: JoinSet<()>,
}

impl Load {
    /// Begins.
    pub fn start(caller: &Caller) -> Self {
        let seen = Arc::<Seen>::default();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(seen.clone(), caller.clone(), writer));
        }
        Self { seen, writers }
    }

    /// Waits until some more requests have been answered.
    pub async fn progress(&self) {
        let answered =
            || self.seen.created.lock().unwrap().len() + self.seen.failures.lock().unwrap().len();
        let (before, deadline) = (answered(), Instant::now() + PATIENCE);
        while answered() < before + 5 * WRITERS {
            assert!(Instant::now() < deadline, "nobody answers");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends, and takes the ids of the contacts: no request may have failed.
    pub async fn end(mut self) -> BTreeSet<String> {
        self.seen.stop.store(true, Ordering::SeqCst);
        while self.writers.join_next().await.transpose().unwrap().is_some() {}
        let failures = self.seen.failures.lock().unwrap();
        let created = self.seen.created.lock().unwrap();
        assert!(failures.is_empty(), "of {}: {failures:#?}", failures.len() + created.len());
        created.clone()
    }
}

async fn write(seen: Arc<Seen>, caller: Caller, writer: usize) {
    for number in 0.. {
        if seen.stop.load(Ordering::SeqCst) {
            return;
        }
        match caller.post(CONTACTS, &json!({"name": format!("{writer}-{number}")})).await {
            Ok((201, contact)) => {
                let id = contact["data"]["id"].as_str().unwrap().to_owned();
                seen.created.lock().unwrap().insert(id);
            }
            other => seen.failures.lock().unwrap().push(format!("{other:?}")),
        }
    }
}

/// Waits until an event of each of these contacts has arrived; of another, none may.
pub async fn all_heard(receiver: &Receiver, contacts: &BTreeSet<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let calls = receiver.calls();
        let heard: BTreeSet<_> = calls
            .iter()
            .map(|call| call.json()["data"]["id"].as_str().unwrap().to_owned())
            .collect();
        if heard == *contacts {
            return;
        }
        let missing = contacts.difference(&heard).count();
        assert!(
            Instant::now() < deadline && heard.is_subset(contacts),
            "of {} contacts, {missing} were not heard of; {} calls",
            contacts.len(),
            calls.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
