//! The outermost layer: gives a request its id, span and metrics, seals the answer into the envelope,
//! and writes the one log line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use shared::telemetry::{self, metrics::UnderWay};
use shared::{db::Origin, id};
use tracing::{Instrument as _, Span, field};

use super::envelope::{self, Form};
use super::etag;
use crate::App;
use crate::error::Error;
use crate::limit::Decision;

/// Longer request ids from outside are replaced.
const LONGEST_ID: usize = 128;

/// The status, in logs and metrics only, of a request whose caller hung up before it was answered (nginx's).
const HUNG_UP: u16 = 499;

/// The route of a path that there is not.
const UNMATCHED: &str = "unmatched";

/// A request's own facts, for whoever handles it.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// One id for the answer, the logs, the trace and the events.
    pub id: String,
    /// The request's span.
    pub span: Span,
    /// Where it comes from: the peer, or the client that a trusted proxy names.
    pub address: IpAddr,
    /// Whether `address` is a proxy that is not configured, and so everybody's.
    masked: bool,
    decision: Arc<Mutex<Option<Decision>>>,
}

impl RequestFacts {
    /// Keeps a rate limit's decision for the answer's headers: of several the one with the fewest requests left; of
    /// equals the last, which knows the caller best.
    pub fn heed(&self, said: Option<Decision>) {
        let mut known = self.decided();
        if let Some(said) = said
            && known.is_none_or(|known| said.remaining <= known.remaining)
        {
            *known = Some(said);
        }
    }

    fn decided(&self) -> MutexGuard<'_, Option<Decision>> {
        self.decision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network it comes from; none when that cannot be told.
    #[must_use]
    pub fn network(&self) -> Option<IpAddr> {
        (!self.masked).then_some(self.address)
    }

    /// What events of this request remember of it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            request_id: Some(self.id.clone()),
            traceparent: telemetry::traceparent(&self.span),
            address: Some(self.address),
            ..Origin::default()
        }
    }
}

/// See the module.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let clock = app.db.clock().clone();
    let request_id =
        request_id(request.headers()).unwrap_or_else(|| id::fresh(clock.now()).to_string());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| UNMATCHED.to_owned());
    let span = span(&request_id, &method, &route, request.headers());
    let under_way = UnderWay::counted(metrics::gauge!("http_requests_in_flight"));
    let told =
        RequestLog { span: span.clone(), method: method.clone(), route, started, is_over: false };
    let problem_json = accepts_problem(request.headers());
    let known = known_tag(&method, request.headers());
    let facts = RequestFacts {
        id: request_id.clone(),
        span: span.clone(),
        address: app.config.proxies.client(peer(&request), request.headers()),
        masked: app.config.proxies.is_unknown(peer(&request), request.headers()),
        decision: Arc::default(),
    };
    request.extensions_mut().insert(facts.clone());

    let response = next.run(request).instrument(span.clone()).await;

    let (request_id, known) = (&*request_id, known.as_deref());
    let form = Form { request_id, now: clock.now(), problem_json, known };
    let (mut response, problem) = envelope::seal(response, &form);
    // Here, because whoever answered may be outside of the route: a time-out, or the flood guard.
    let decision = match problem.as_deref() {
        Some(Error::RateLimited(refusal)) => Some(*refusal),
        _ => *facts.decided(),
    };
    if let Some(decision) = decision {
        decision.describe(response.headers_mut());
    }
    drop(under_way);
    told.of(response.status(), problem.as_deref());
    if let Some(problem) = problem {
        // For a caller inside this process, who may see the causes: `api admin`.
        response.extensions_mut().insert(problem);
    }
    response
}

/// Measures a request and writes its line, however it ends: of one whose caller hangs up, the server drops all that
/// waits for its answer.
struct RequestLog {
    span: Span,
    method: Method,
    route: String,
    started: Instant,
    is_over: bool,
}

impl RequestLog {
    /// It was answered.
    fn of(mut self, status: StatusCode, problem: Option<&Error>) {
        self.is_over = true;
        let micros = self.measure(status.as_u16());
        trace(&self.span, status, problem);
        self.span.in_scope(|| {
            let error = problem.map(Error::chain);
            let status = status.as_u16();
            if status >= 500 {
                tracing::error!(status, micros, error, "request failed");
            } else {
                tracing::info!(status, micros, error, "request");
            }
        });
    }

    /// Counts it; says how long it took, in microseconds.
    fn measure(&self, status: u16) -> u64 {
        // A method that the route does not have is the caller's word: of each there would be a series for each route.
        let method = if status == StatusCode::METHOD_NOT_ALLOWED.as_u16() {
            "other"
        } else {
            label(&self.method)
        };
        let labels = [
            ("method", method.to_owned()),
            ("route", self.route.clone()),
            ("status", status.to_string()),
        ];
        let elapsed = self.started.elapsed();
        metrics::counter!("http_requests_total", &labels).increment(1);
        metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(elapsed);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let micros = self.measure(HUNG_UP);
        let _entered = self.span.enter();
        tracing::info!(status = HUNG_UP, micros, error = "the caller hung up", "request");
    }
}

/// What came of it, for whoever reads the trace.
fn trace(span: &Span, status: StatusCode, problem: Option<&Error>) {
    telemetry::attribute(span, "http.response.status_code", i64::from(status.as_u16()));
    if let Some(problem) = problem {
        metrics::counter!("http_errors_total", "code" => problem.code()).increment(1);
    }
    if status.is_server_error() {
        telemetry::failed(span, problem.map_or_else(|| status.as_str(), |problem| problem.code()));
    }
}

/// What the listener says; without one every request is taken for the same client's.
fn peer(request: &Request) -> IpAddr {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
    connection.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.ip())
}

fn span(request_id: &str, method: &Method, route: &str, headers: &HeaderMap) -> Span {
    // A made-up method or path is none of the few names that a server's spans may have.
    let name = match (label(method), route) {
        ("other", _) => "HTTP".to_owned(),
        (method, UNMATCHED) => method.to_owned(),
        (method, route) => format!("{method} {route}"),
    };
    let span = tracing::info_span!(
        "request",
        otel.name = name,
        otel.kind = "server",
        %method,
        route,
        request_id,
        trace_id = field::Empty,
        tenant_id = field::Empty,
        principal = field::Empty,
        event_id = field::Empty,
    );
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    if telemetry::continue_trace(&span, traceparent) {
        telemetry::attribute(&span, "http.request.method", method_name(method));
        if route != UNMATCHED {
            telemetry::attribute(&span, "http.route", route.to_owned());
        }
    }
    span
}

/// A method in the words of OpenTelemetry's conventions.
fn method_name(method: &Method) -> String {
    match label(method) {
        "other" => "_OTHER".to_owned(),
        known => known.to_owned(),
    }
}

/// A method as a metric's label: any word can be one, and a caller must not be able to make a series of each.
fn label(method: &Method) -> &str {
    let usual = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if usual.contains(method) { method.as_str() } else { "other" }
}

/// Whether errors are asked for in the form of RFC 9457.
fn accepts_problem(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/problem+json"))
}

/// What a request that reads says it has already.
fn known_tag(method: &Method, headers: &HeaderMap) -> Option<String> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if reads { etag::named(headers, header::IF_NONE_MATCH) } else { None }
}

/// An id from outside is kept when it is short and printable, so that a caller can find its own requests.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let sane =
        !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    sane.then(|| id.to_owned())
}
