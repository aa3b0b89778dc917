//! Ids and times that may stand before the body in what is signed.

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::Case;
use super::mistake::Mistake;
use super::search::Candidate;

/// The year 5138 in seconds, and 1973 in milliseconds.
const MILLIS: i64 = 100_000_000_000;

/// The seconds that a timestamp means; `None` when it means nothing.
pub fn read(text: &str) -> Option<Candidate<i64>> {
    let unit = |seconds| Some(Candidate::wrong(seconds, Mistake::TimestampUnit));
    if let Ok(number) = text.parse::<i64>() {
        return if number.unsigned_abs() < MILLIS.unsigned_abs() {
            Some(Candidate::right(number))
        } else {
            unit(number / 1000)
        };
    }
    if let Some((seconds, _)) = text.split_once('.')
        && let Ok(seconds) = seconds.parse::<i64>()
    {
        return unit(seconds);
    }
    unit(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

impl Case {
    /// The ids that may be meant.
    fn ids(&self) -> Vec<Candidate<String>> {
        let body = self.own().map_or(self.check.body.as_str(), |sent| &sent.body);
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let missing = self.header("webhook-id").is_none();
        let mut ids: Vec<_> = self
            .header("webhook-id")
            .map(|id| Candidate::right(id.to_owned()))
            .into_iter()
            .collect();
        for place in [&body["id"], &body["occurrenceId"], &body["data"]["id"]] {
            let known = |text: &str| ids.iter().any(|id| id.value == text);
            let Some(text) = place.as_str().filter(|text| !known(text)) else { continue };
            let header = missing && ids.is_empty();
            let mistake = if header { Mistake::IdHeaderMissing } else { Mistake::WrongId };
            ids.push(Candidate::wrong(text.to_owned(), mistake));
        }
        ids
    }

    /// The times that may be meant, in seconds: the header's, and those of the delivery's attempts.
    fn times(&self) -> Vec<Candidate<i64>> {
        let given = self.header("webhook-timestamp").and_then(read);
        let other = if self.header("webhook-timestamp").is_some() {
            Mistake::AnotherAttempt
        } else {
            Mistake::TimestampHeaderMissing
        };
        let mut times: Vec<_> = given.into_iter().collect();
        for attempt in self.own().into_iter().flat_map(|sent| &sent.attempts) {
            let seconds = attempt.timestamp();
            if times.iter().all(|time| time.value != seconds) {
                times.push(Candidate::wrong(seconds, other));
            }
        }
        times
    }

    /// What the sender may have put before the body.
    pub fn sent_heads(&self) -> Vec<Candidate<String>> {
        let (ids, times) = (self.ids(), self.times());
        let head = |id: &Candidate<String>, time: &Candidate<i64>| Candidate {
            value: format!("{}.{}.", id.value, time.value),
            mistakes: [&id.mistakes[..], &time.mistakes[..]].concat(),
        };
        ids.iter().flat_map(|id| times.iter().map(move |time| head(id, time))).collect()
    }

    /// What a beginner may have put there: first the right thing, then the rest.
    pub fn computed_heads(&self) -> Vec<Candidate<String>> {
        let mut heads = self.sent_heads();
        heads.push(Candidate::wrong(String::new(), Mistake::IdAndTimestampMissing));
        let (ids, times) = (self.ids(), self.times());
        let (Some(id), Some(time)) = (ids.first(), times.first()) else { return heads };
        let (id, seconds) = (&id.value, time.value);
        let mut add = |value, mistake| heads.push(Candidate::wrong(value, mistake));
        add(format!("{seconds}."), Mistake::IdMissing);
        add(format!("{id}."), Mistake::TimestampMissing);
        add(format!("{seconds}.{id}."), Mistake::WrongOrder);
        for (between, behind) in
            [("", ""), (".", ""), (":", ":"), ("\n", "\n"), (" ", " "), (",", ",")]
        {
            add(format!("{id}{between}{seconds}{behind}"), Mistake::WrongSeparator);
        }
        for time in &times {
            add(format!("{id}.{}000.", time.value), Mistake::TimestampUnit);
        }
        for attempt in self.own().into_iter().flat_map(|sent| &sent.attempts) {
            add(format!("{id}.{}.", attempt.timestamp_millis()), Mistake::TimestampUnit);
        }
        if let Some(moment) = DateTime::from_timestamp(seconds, 0) {
            for format in [SecondsFormat::Secs, SecondsFormat::Millis] {
                add(
                    format!("{id}.{}.", moment.to_rfc3339_opts(format, true)),
                    Mistake::TimestampUnit,
                );
            }
        }
        if let Some(text) = self.header("webhook-timestamp") {
            add(format!("{id}.{text}."), Mistake::TimestampUnit);
        }
        let body: Value = serde_json::from_str(&self.check.body).unwrap_or_default();
        if let Some(text) = body["timestamp"].as_str() {
            add(format!("{id}.{text}."), Mistake::TimestampOfEvent);
            if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
                for time in [moment.timestamp(), moment.timestamp_millis()] {
                    add(format!("{id}.{time}."), Mistake::TimestampOfEvent);
                }
            }
        }
        heads
    }
}
