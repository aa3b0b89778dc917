//! What an attempt tells of itself beside its outcome: where its time went, over which connection, what was sent and
//! what came back. The worker writes it, the api shows it; nobody filters by it, so it is one JSON column.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::code::ErrorCode;
use crate::clock;

/// The steps of a request, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before anything is sent: the URL's check, the secrets.
    Prepare,
    /// The name is resolved.
    Dns,
    /// The connection is made, through the proxy where there is one.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The request is written.
    Request,
    /// The answer is awaited, to the end of its head.
    FirstByte,
    /// The answer's body is read.
    Body,
    /// The exchange went well; it is the status that says no.
    Response,
}

/// Where the time went, in milliseconds to the microsecond; `null` for a phase that was not entered, as the first three
/// of a connection that was used before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// Resolving the name.
    pub dns: Option<f64>,
    /// Making the connection, through the proxy where there is one.
    pub connect: Option<f64>,
    /// The TLS handshake.
    pub tls: Option<f64>,
    /// Handing the request to the connection.
    pub request: Option<f64>,
    /// From there to the end of the answer's head.
    pub first_byte: Option<f64>,
    /// Reading the body.
    pub body: Option<f64>,
}

impl Timings {
    /// Adds time to a phase.
    pub fn add(&mut self, phase: Phase, time: Duration) {
        let place = match phase {
            Phase::Dns => &mut self.dns,
            Phase::Connect => &mut self.connect,
            Phase::Tls => &mut self.tls,
            Phase::Request => &mut self.request,
            Phase::FirstByte => &mut self.first_byte,
            Phase::Body => &mut self.body,
            Phase::Prepare | Phase::Response => return,
        };
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        *place = Some(((place.unwrap_or_default() * 1000.0).round() + f64::from(micros)) / 1000.0);
    }
}

/// The connection of an attempt, or where it was to lead when it could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The receiver's address and port; the first that was tried when none answered.
    pub address: String,
    /// Whether an earlier attempt had used it.
    pub reused: bool,
    /// Whether it led through the operator's proxy.
    pub proxied: bool,
    /// Whether it came about, TLS included.
    #[serde(default = "yes")]
    #[schema(required)]
    pub made: bool,
    /// `HTTP/1.1` or `HTTP/2`; of one that was not made, what it would have begun with.
    pub http_version: String,
    /// Such as `TLSv1.3`; `null` in plain http.
    pub tls_version: Option<String>,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub tls_cipher: Option<String>,
}

/// Before `made` was kept, only made connections were.
fn yes() -> bool {
    true
}

/// Why the next attempt is when it is, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// None: the receiver has it.
    Delivered,
    /// At the schedule's time.
    Schedule,
    /// Later than the schedule's time, because the receiver asked for it.
    RetryAfter,
    /// None: that was the schedule's last.
    ScheduleEnded,
    /// None: the receiver wants no more.
    Gone,
    /// None: no request can be made for it.
    Abandoned,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextAttempt {
    /// When; `null` when there is none in this cycle.
    #[serde(serialize_with = "clock::serialize_option", default)]
    pub at: Option<DateTime<Utc>>,
    /// Why then, or why none.
    pub why: Why,
}

/// What is kept of one request besides its line in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptDetail {
    /// Where it failed, or was cut short; `null` when all went well.
    pub phase: Option<Phase>,
    /// What was wrong with an answer whose status had decided already.
    pub warning: Option<ErrorCode>,
    /// How often it was sent again at once, because the receiver said that it had not looked at it.
    #[serde(default)]
    #[schema(required)]
    pub sent_again: u32,
    /// Where the time went.
    pub timings: Timings,
    /// Over what, or where to; `null` when no address was found.
    pub connection: Option<Connection>,
    /// What was sent; secrets and signatures are masked.
    pub request_headers: BTreeMap<String, String>,
    /// What came back, at most 32 headers and 4 KiB of them.
    pub response_headers: BTreeMap<String, String>,
    /// What follows.
    pub next: NextAttempt,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_the_microsecond_and_add_up() {
        let mut timings = Timings::default();
        timings.add(Phase::Dns, Duration::from_nanos(1_234_567));
        timings.add(Phase::Dns, Duration::from_micros(1));
        timings.add(Phase::Body, Duration::ZERO);
        assert_eq!((timings.dns, timings.body, timings.tls), (Some(1.235), Some(0.0), None));
    }
}
