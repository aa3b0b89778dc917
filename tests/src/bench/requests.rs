//! The requests that the load is made of. Every contact has a number of its own, so that it can be told apart.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::script::DIGITS;

/// The numbers of contacts that the api is asked to create; pgbench's begin lower.
const FIRST: u64 = 500_000_000_000;

/// In front of a contact's number in its name.
pub(crate) const NAME: &str = "\"name\":\"Contact ";

/// Gives out numbers, each once; cheap to clone.
#[derive(Clone, Debug)]
pub struct Numbers(Arc<AtomicU64>);

impl Default for Numbers {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(FIRST)))
    }
}

impl Numbers {
    /// One that nobody has had.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// `POST /contacts` of the contact with this number, with everything that a contact can have.
pub fn create_contact(api_key: &str, number: u64, into: &mut Vec<u8>) {
    post("/api/v1/connection/contacts", api_key, &contact(number), into);
}

/// The contact with this number, as JSON.
pub(crate) fn contact(number: u64) -> String {
    format!(
        "{{{NAME}{number}\",\"email\":\"c{number}@example.com\",\"phone\":\"+49{number}\",\"company\":\"ACME Corp\"}}"
    )
}

/// `POST` of a JSON body.
pub fn post(path: &str, api_key: &str, body: &str, into: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(
        into,
        "POST {path} HTTP/1.1\r\nhost: bench\r\nx-api-key: {api_key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
}

/// `GET`.
pub fn get(path: &str, api_key: &str, into: &mut Vec<u8>) {
    let _ = write!(into, "GET {path} HTTP/1.1\r\nhost: bench\r\nx-api-key: {api_key}\r\n\r\n");
}

/// The number of the contact that a webhook's body tells of.
pub(crate) fn number_in(body: &[u8]) -> Option<u64> {
    let name = NAME.as_bytes();
    let at = body.windows(name.len()).position(|window| window == name)? + name.len();
    str::from_utf8(body.get(at..at + DIGITS)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_recognised_by_its_number() {
        let numbers = Numbers::default();
        let _ = numbers.next();
        let (number, mut request) = (numbers.next(), Vec::new());
        create_contact("key", number, &mut request);
        assert_eq!(number, FIRST + 1);
        assert_eq!(number_in(&request), Some(number));
        assert_eq!(number_in(b"{\"name\":\"Contact 12"), None);
    }
}
