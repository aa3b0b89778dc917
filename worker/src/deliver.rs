//! Step 5 of 6. Before: worker/src/relay.rs. After: worker/src/retry.rs.
//!
//! One attempt: sign, send, decide, and hand the outcome to the record. No transaction is open meanwhile.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use shared::clock::Clock;
use shared::id::AttemptId;
use shared::seal::Keyring;
use shared::telemetry;
use shared::webhook::Owner;
use shared::webhook::attempt::Why;
use shared::webhook::code::ErrorCode;
use shared::webhook::headers::CustomHeaders;
use shared::webhook::identity::ClientIdentity;
use tracing::Instrument as _;
use url::Url;

use crate::client::{Client, Exchange, Message};
use crate::explain;
use crate::queue::{Claimed, Delivery, Feedback};
use crate::record::{AttemptRecord, Records, Report};
use crate::retry::{self, Next, Verdict};
use crate::signing::Signers;

/// A delivery whose workers died this often in a row is given up: it may be what kills them.
const MOST_CLAIMS: i32 = 20;

/// What every attempt needs.
#[derive(Clone)]
pub struct Sender {
    /// Calls receivers.
    pub client: Client,
    /// What requests are signed with.
    pub signers: Signers,
    /// Opens what else a webhook keeps sealed.
    pub keyring: Keyring,
    /// The waits between attempts.
    pub schedule: Arc<[Duration]>,
    /// The longest request.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where outcomes go.
    pub records: Records,
}

impl Sender {
    /// Makes one attempt and reports it. A delivery whose lease would end during the request is given back to whoever
    /// claims it next.
    pub async fn deliver(&self, claimed: Claimed) {
        let margin = TimeDelta::from_std(self.timeout).unwrap_or(TimeDelta::MAX);
        let span = span(&claimed.delivery);
        if self.clock.now() + margin > claimed.delivery.lease_until {
            span.in_scope(|| {
                tracing::warn!("the lease is too short for an attempt; giving it back");
            });
            return self.records.hand_back(claimed);
        }
        let Claimed { delivery, slot } = claimed;
        let (report, told) = self.attempt(&delivery, &span).instrument(span.clone()).await;
        if told.is_some_and(|told| slot.hear(told)) {
            metrics::counter!("webhook_slowdowns_total").increment(1);
        }
        span.in_scope(|| tell(&report, &span));
        self.records.report(report, delivery, slot);
    }

    async fn attempt(
        &self,
        delivery: &Delivery,
        span: &tracing::Span,
    ) -> (Report, Option<Feedback>) {
        let started = self.clock.now();
        if delivery.claims > MOST_CLAIMS {
            let error = "Workers kept failing on this delivery";
            let code = ErrorCode::DeliveryAbandoned;
            let next = Next::GiveUp(Why::Abandoned);
            return (self.unmade(delivery, started, (code, error), next), None);
        }
        let Some((headers, custom, identity)) = self.prepare(delivery, started, span) else {
            let error = "A secret of the webhook cannot be opened";
            // Another worker may have the key: one that lacks it has free places always, and would take the most.
            let (refused, number) = (Verdict::Refused { wish: None }, attempt_number(delivery));
            let next = retry::next(refused, number, &self.schedule, started);
            let code = ErrorCode::SecretUnreadable;
            return (self.unmade(delivery, started, (code, error), next), None);
        };
        let (url, body) = (&*delivery.url, delivery.body.clone());
        let exchange = self.client.post(Message { url, identity, headers, body }).await;
        let ended = self.clock.now();
        measure(delivery, &exchange, started);
        let number = attempt_number(delivery);
        let next = retry::next(verdict(&exchange, ended), number, &self.schedule, ended);
        let told = explain::told(&exchange, started, ended);
        let detail = explain::detail(&exchange, &custom, next.into());
        let held_until = told.held_until();
        let attempt = record(delivery, exchange, started, detail);
        let waited_since = retry::waits_before(number, &self.schedule, ended);
        (Report { next, ended, waited_since, held_until, attempt }, Some(told))
    }

    /// An attempt that no request can be made for.
    fn unmade(
        &self,
        delivery: &Delivery,
        now: DateTime<Utc>,
        (code, error): (ErrorCode, &str),
        next: Next,
    ) -> Report {
        tracing::error!(code = code.as_str(), "no request could be made for a delivery");
        let number = attempt_number(delivery);
        let attempt = AttemptRecord {
            id: AttemptId::fresh(now),
            attempt: number,
            started: now,
            latency: Duration::ZERO,
            first_byte: None,
            status_code: None,
            error_code: Some(code),
            error: Some(error.to_owned()),
            excerpt: None,
            detail: explain::unmade(next.into()),
        };
        let waited_since = retry::waits_before(number, &self.schedule, now);
        Report { next, ended: now, waited_since, held_until: None, attempt }
    }

    /// Everything that is sealed, opened; the headers to send, those of them that are the tenant's, the certificate.
    fn prepare(
        &self,
        delivery: &Delivery,
        now: DateTime<Utc>,
        span: &tracing::Span,
    ) -> Option<(HeaderMap, CustomHeaders, Option<ClientIdentity>)> {
        let (keys, owner) = (&self.keyring, Owner(delivery.tenant, delivery.webhook));
        let custom = delivery.headers.as_deref();
        let custom = custom.map(|sealed| CustomHeaders::open(sealed, keys, owner));
        let custom = custom.transpose().ok()?.unwrap_or_default();
        let identity = delivery.identity.as_deref();
        let identity = identity.map(|sealed| ClientIdentity::open(sealed, keys, owner));
        let mut headers = self.headers(delivery, now, span)?;
        for (name, value) in custom.iter() {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.insert(name, HeaderValue::from_str(value).ok()?);
        }
        Some((headers, custom, identity.transpose().ok()?))
    }

    /// Every header of a request; the time in it is the attempt's own, so it is signed anew each time.
    fn headers(
        &self,
        delivery: &Delivery,
        now: DateTime<Utc>,
        span: &tracing::Span,
    ) -> Option<HeaderMap> {
        let owner = Owner(delivery.tenant, delivery.webhook);
        let keys = self.signers.of(owner, &delivery.secret).ok()?;
        let id = delivery.id.to_string();
        let signatures = keys.sign(&id, now, &delivery.body);
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut set = |name: &'static str, value: &str| -> Option<()> {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
            Some(())
        };
        set("webhook-id", &id)?;
        set("webhook-timestamp", &now.timestamp().to_string())?;
        set("webhook-signature", &signatures.standard)?;
        set("x-webhook-signature", &signatures.document)?;
        set("x-webhook-event", &delivery.event)?;
        set("x-webhook-attempt", &attempt_number(delivery).to_string())?;
        set("x-webhook-trigger", delivery.trigger.as_str())?;
        if let Some(traceparent) =
            telemetry::traceparent(span).or_else(|| delivery.traceparent.clone())
        {
            set("traceparent", &traceparent)?;
        }
        Some(headers)
    }
}

/// From 1 within its cycle.
fn attempt_number(delivery: &Delivery) -> u32 {
    u32::try_from(delivery.attempts).unwrap_or_default() + 1
}

fn verdict(exchange: &Exchange, now: DateTime<Utc>) -> Verdict {
    match exchange.outcome {
        Ok(status) if status.is_success() => Verdict::Accepted,
        Ok(StatusCode::GONE) => Verdict::Gone,
        _ => Verdict::Refused { wish: exchange.retry_after.map(|wish| wish.wait(now)) },
    }
}

fn record(
    delivery: &Delivery,
    exchange: Exchange,
    started: DateTime<Utc>,
    detail: String,
) -> AttemptRecord {
    let code = explain::code(exchange.outcome);
    let error = match &exchange.outcome {
        Ok(status) if status.is_success() => None,
        Ok(status) if status.is_redirection() => {
            Some(format!("The receiver answered {status}; redirects are not followed"))
        }
        Ok(status) => Some(format!("The receiver answered {status}")),
        Err(fault) => Some(fault.to_string()),
    };
    AttemptRecord {
        id: AttemptId::fresh(started),
        attempt: attempt_number(delivery),
        started,
        latency: exchange.total,
        first_byte: exchange.first_byte,
        status_code: exchange.outcome.as_ref().ok().map(StatusCode::as_u16),
        error_code: code,
        error,
        excerpt: exchange.excerpt,
        detail,
    }
}

fn span(delivery: &Delivery) -> tracing::Span {
    let span = tracing::info_span!(
        "deliver",
        otel.name = format!("deliver {}", delivery.event),
        otel.kind = "client",
        tenant_id = %delivery.tenant,
        delivery_id = %delivery.id,
        webhook_id = %delivery.webhook,
        event_id = %delivery.occurrence,
        event = delivery.event,
        attempt = attempt_number(delivery),
        request_id = delivery.request_id,
        trace_id = tracing::field::Empty,
    );
    if telemetry::continue_trace(&span, delivery.traceparent.as_deref()) {
        describe(&span, delivery);
    }
    span
}

/// What the conventions for HTTP clients ask for. Of the URL only where it leads:
/// what comes behind may be a secret.
fn describe(span: &tracing::Span, delivery: &Delivery) {
    telemetry::attribute(span, "http.request.method", "POST");
    if let Ok(url) = Url::parse(&delivery.url) {
        telemetry::attribute(span, "url.scheme", url.scheme().to_owned());
        telemetry::attribute(span, "server.address", url.host_str().unwrap_or_default().to_owned());
        let port = url.port_or_known_default().unwrap_or_default();
        telemetry::attribute(span, "server.port", i64::from(port));
    }
    if delivery.attempts > 0 {
        telemetry::attribute(span, "http.request.resend_count", i64::from(delivery.attempts));
    }
}

fn measure(delivery: &Delivery, exchange: &Exchange, started: DateTime<Utc>) {
    metrics::histogram!("webhook_request_duration_seconds").record(exchange.total);
    if let Some(connection) = exchange.connection.as_ref().filter(|one| one.made) {
        let reused = if connection.reused { "true" } else { "false" };
        metrics::counter!("webhook_connections_total", "reused" => reused).increment(1);
    }
    metrics::counter!("webhook_sent_again_total").increment(exchange.sent_again.into());
    let first = (delivery.cycle, delivery.attempts) == (1, 0) && !delivery.held;
    if let Some(first_byte) = exchange.first_byte.filter(|_| first) {
        let waited = (started - delivery.created_at).to_std().unwrap_or_default();
        metrics::histogram!("webhook_delivery_latency_seconds").record(waited + first_byte);
    }
}

fn tell(report: &Report, span: &tracing::Span) {
    let outcome = match report.next {
        Next::Done => "delivered",
        Next::At { .. } => "retry",
        Next::GiveUp(_) | Next::Disable => "failed",
    };
    let attempt = &report.attempt;
    let error = attempt.error_code.map_or("none", ErrorCode::as_str);
    metrics::counter!("webhook_attempts_total", "outcome" => outcome, "error" => error)
        .increment(1);
    if let Some(status) = attempt.status_code {
        telemetry::attribute(span, "http.response.status_code", i64::from(status));
    }
    if outcome != "delivered" {
        telemetry::failed(span, error);
    }
    let micros = u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(outcome, error, status = attempt.status_code, micros, "attempt");
}
