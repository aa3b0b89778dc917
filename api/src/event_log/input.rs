//! What one request asks of the feed.

use serde_json::{Value, json};
use shared::TenantTx;
use shared::event;
use shared::id::{EventId, WebhookId};

use crate::App;
use crate::auth::Caller;
use crate::error::{Details, Error, Result};
use crate::http::Params;
use crate::http::doc::Doc;
use crate::http::permits::TenantPermit;
use crate::webhooks;

/// Events on a page when nothing is said.
const DEFAULT_LIMIT: usize = 100;
/// The most events on a page.
const MAX_LIMIT: usize = 500;

/// What one request asks of the feed.
#[derive(Clone, Debug, Default)]
pub struct FeedQuery {
    /// The number behind which the page begins; none for the oldest that is kept.
    pub after: Option<i64>,
    /// The event behind which it begins, until [`settle`](Self::settle) has found its number.
    behind: Option<EventId>,
    /// Only what this webhook wants, as it would get it.
    pub webhook: Option<WebhookId>,
    /// The most events on the page.
    pub limit: usize,
    /// The names of the events wanted; none for all.
    pub events: Option<Vec<String>>,
}

impl FeedQuery {
    /// Reads the parameters of a page.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every parameter that is unknown, repeated or wrong.
    pub fn page(params: &Params) -> Result<Self> {
        Self::read(params, true)
    }

    /// Reads the parameters of a live feed. `Last-Event-ID`, which a client sends that had lost its connection, goes
    /// before `after`.
    ///
    /// # Errors
    /// As for [`FeedQuery::page`].
    pub fn stream(params: &Params, last_event_id: Option<&str>) -> Result<Self> {
        let mut query = Self::read(params, false)?;
        if let Some(last) = last_event_id.filter(|last| !last.is_empty()) {
            let fault = |_| Error::field("Last-Event-ID", "Must be the number of an event, or 0");
            (query.after, query.behind) = (Some(number(last).map_err(fault)?), None);
        }
        Ok(query)
    }

    fn read(params: &Params, pages: bool) -> Result<Self> {
        let mut query = Self { limit: DEFAULT_LIMIT, ..Self::default() };
        let mut faults: Details = params.faults.clone();
        for (name, value) in &params.pairs {
            let fault = match name.as_str() {
                "after" => query.begin(value),
                "webhook" => webhook(value).map(|id| query.webhook = Some(id)),
                "limit" if pages => limit(value).map(|limit| query.limit = limit),
                "event" => names(value).map(|names| query.events = Some(names)),
                _ => Err("Unknown parameter".to_owned()),
            };
            if let Err(fault) = fault {
                faults.entry(name.clone()).or_insert(fault);
            }
        }
        if faults.is_empty() { Ok(query) } else { Err(Error::Invalid(faults)) }
    }

    /// Behind a number, or behind the event with an id.
    fn begin(&mut self, text: &str) -> std::result::Result<(), String> {
        match (number(text), text.parse()) {
            (Ok(after), _) => self.after = Some(after),
            (Err(_), Ok(id)) => self.behind = Some(EventId(id)),
            (Err(fault), Err(_)) => return Err(fault),
        }
        Ok(())
    }

    /// A place to read a page, where a webhook's filter may be asked about very many events: that takes seconds of a
    /// connection.
    ///
    /// # Errors
    /// As for [`TenantPermits::take`](crate::http::permits::TenantPermits::take).
    pub(super) async fn place(&self, app: &App, caller: &Caller) -> Result<Option<TenantPermit>> {
        match self.webhook {
            Some(_) => app.feeds.take(caller.tenant).await.map(Some),
            None => Ok(None),
        }
    }

    /// Finds what it names.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an event that is not kept, [`Error::NotFound`] for a webhook that is not there.
    pub(super) async fn settle(&mut self, tx: &mut TenantTx) -> Result<()> {
        if let Some(id) = self.behind.take() {
            self.after = Some(match super::show(tx, id).await {
                Ok(event) => event.sequence,
                Err(Error::NotFound(_)) => {
                    return Err(Error::field("after", "Is no event that is kept"));
                }
                Err(error) => return Err(error),
            });
        }
        if let Some(id) = self.webhook {
            webhooks::show(tx, id).await?;
        }
        Ok(())
    }
}

fn webhook(text: &str) -> std::result::Result<WebhookId, String> {
    text.parse().map(WebhookId).map_err(|_| "Must be a UUID".to_owned())
}

fn number(text: &str) -> std::result::Result<i64, String> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| "Must be the number of an event, its id, or 0".to_owned())
}

fn limit(text: &str) -> std::result::Result<usize, String> {
    let limit = number(text).ok().and_then(|limit| usize::try_from(limit).ok());
    let fault = || format!("Must be 1 to {MAX_LIMIT}");
    limit.filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(fault)
}

/// The names of the events that a list of names and families stands for.
pub(crate) fn names(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut names = Vec::new();
    for word in text.split(',').map(str::trim) {
        if word == "*" || !event::is_pattern(word) {
            let known: Vec<_> = patterns().collect();
            return Err(format!("Must be some of {}", known.join(", ")));
        }
        names.extend(event::matching(word).map(|event| event.as_str().to_owned()));
    }
    Ok(names)
}

/// What `event` can name: everything is what comes when it names nothing.
pub(crate) fn patterns() -> impl Iterator<Item = String> {
    event::patterns().into_iter().filter(|pattern| pattern != "*")
}

/// Adds the parameters that both forms of the feed have.
pub(super) fn described(doc: Doc) -> Doc {
    let number = || json!({"type": "integer", "format": "int64", "minimum": 0});
    let webhook = || json!({"type": "string", "format": "uuid"});
    let words: Vec<String> = patterns().collect();
    let words: Value =
        json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": words}});
    let after = json!({"anyOf": [number(), {"type": "string", "format": "uuid"}]});
    let what = "The number of the last event that is known, or its id; 0 for none";
    doc.parameter("after", what, after)
        .parameter("webhook", "Only what this webhook wants, as it would get it", webhook())
        .parameter("event", "Events and families such as `contact.*`, divided by commas", words)
        .refuses(&[404, 410])
}

/// Adds the parameter of a page.
pub(super) fn limited(doc: Doc) -> Doc {
    let limit =
        json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT});
    doc.parameter("limit", "The most events to answer with", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_stands_for_its_events_and_everything_else_must_be_known() {
        assert_eq!(
            names("lead.*, contact.created").unwrap(),
            [
                "lead.created",
                "lead.updated",
                "lead.deleted",
                "lead.moved_to_stage",
                "contact.created"
            ]
        );
        for bad in ["", "*", "contact", "contact.created,", "contact.exploded"] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_digits_and_fits() {
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("9223372036854775807"), Ok(i64::MAX));
        for bad in ["", "-1", "+1", "1.0", "9223372036854775808", "x", "٣"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
