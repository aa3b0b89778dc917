//! What an api measures; docs/observability.md says how to read it.

use shared::telemetry::metrics::Kind::{
    Counter, Gauge, Histogram, Labelled, LabelledHistogram, UpDown,
};
use shared::telemetry::metrics::Metric;

use crate::error::CODES;
use crate::limit::Class;

/// What can come of a fetch.
const FETCHES: &[&str] = &[
    "ok",
    "timeout",
    "unreachable",
    "status",
    "too_large",
    "malformed",
    "other_issuer",
    "no_keys",
];

/// Every metric of an api, besides those that both programs have.
pub(crate) const METRICS: &[Metric] = &[
    Metric("http_requests_total", Labelled, "Answers by route, method and status."),
    Metric(
        "http_request_duration_seconds",
        LabelledHistogram,
        "From the head of a request to the head of its answer.",
    ),
    Metric("http_requests_in_flight", UpDown, "Requests that have no answer yet."),
    Metric("http_errors_total", Counter(&[("code", CODES)]), "Answers by their error code."),
    Metric(
        "rate_limit_decisions_total",
        Counter(&[("policy", Class::NAMES), ("decision", &["allowed", "refused"])]),
        "Requests counted against a limit; of the flood guard only refusals.",
    ),
    Metric(
        "rate_limit_store_up",
        Gauge,
        "1 while limits are counted in Redis, 0 while it is away.",
    ),
    Metric("rate_limit_store_seconds", Histogram, "One answered question to Redis."),
    Metric(
        "caller_lookup_seconds",
        Histogram,
        "From asking whose key or session it is to the answer, or to giving up.",
    ),
    Metric(
        "caller_lookup_statements_total",
        Counter(&[]),
        "Statements that looked up keys or sessions: one for all that were asked together.",
    ),
    Metric("rate_limit_store_errors_total", Counter(&[]), "Questions that Redis did not answer."),
    Metric(
        "oidc_fetches_total",
        Counter(&[("outcome", FETCHES)]),
        "Fetches of the outside issuer's keys by what came of them.",
    ),
    Metric(
        "refresh_tokens_reused_total",
        Counter(&[]),
        "Refresh tokens that came twice and ended their sessions.",
    ),
    Metric("event_streams", UpDown, "Answers that follow the event log now."),
];
