//! An answer that stays open: server-sent events, read as they come.

use reqwest::RequestBuilder;
use tokio::time::timeout;

use super::PATIENCE;

/// See the module.
pub struct EventStream {
    /// What was read and not taken.
    pub text: String,
    response: reqwest::Response,
}

impl EventStream {
    /// Sends the request, and expects events.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        for (name, value) in [("content-type", "text/event-stream"), ("x-accel-buffering", "no")] {
            assert_eq!(response.headers()[name], value);
        }
        assert!(response.headers().contains_key("x-request-id"));
        Self { text: String::new(), response }
    }

    /// Takes the next event, past what only keeps the connection open.
    pub async fn next(&mut self) -> String {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                if is_event(&message) {
                    return message;
                }
            }
            assert!(self.more().await, "the answer ended");
        }
    }

    /// Reads on; false at the end.
    pub async fn more(&mut self) -> bool {
        let more = timeout(PATIENCE, self.response.chunk()).await.expect("something").unwrap();
        self.text += more.as_deref().map_or("", |more| std::str::from_utf8(more).unwrap());
        more.is_some()
    }

    /// Reads to the end; the events that were not taken.
    pub async fn rest(mut self) -> Vec<String> {
        // What keeps it open comes for as long as it is.
        let end = async { while self.more().await {} };
        timeout(PATIENCE, end).await.expect("the answer ends");
        let messages = self.text.split("\n\n").filter(|message| is_event(message));
        messages.map(str::to_owned).collect()
    }
}

fn is_event(message: &str) -> bool {
    message.contains("data: ")
}
