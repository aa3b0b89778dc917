//! A collector of traces: OTLP over HTTP, decoded with OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message as _;
use tokio::net::TcpListener;

/// A span as it was exported (opentelemetry-proto, `trace.proto`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The span above it; empty when there is none.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// 1 is internal, 2 a server, 3 a client.
    pub kind: i32,
    /// 0 is unset, 2 an error.
    pub status: i32,
    /// When it began, in nanoseconds since 1970.
    pub began: u64,
    /// What it says of itself, as text.
    pub attributes: BTreeMap<String, String>,
    /// What the process says of itself, as text.
    pub resource: BTreeMap<String, String>,
    /// Everything that was sent of it, as text.
    pub text: String,
}

/// Keeps every span that is sent to it.
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Starts it on a free port of this machine.
    pub async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let router = Router::new().route("/v1/traces", post(collect)).with_state(spans.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, spans }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of one trace, in the order in which they began.
    #[must_use]
    pub fn trace(&self, id: &str) -> Vec<Span> {
        let mut spans = self.all();
        spans.retain(|span| span.trace_id == id);
        spans.sort_by_key(|span| span.began);
        spans
    }

    /// Every span.
    #[must_use]
    pub fn all(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

async fn collect(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for of_process in request.resource_spans {
        let resource = texts(of_process.resource.unwrap_or_default().attributes);
        let sent = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.lock().unwrap().extend(sent.map(|sent| span(sent, &resource)));
    }
    StatusCode::OK
}

fn span(sent: Sent, resource: &BTreeMap<String, String>) -> Span {
    Span {
        text: format!("{sent:?}"),
        trace_id: hex(&sent.trace_id),
        span_id: hex(&sent.span_id),
        parent_id: hex(&sent.parent_span_id),
        kind: sent.kind,
        status: sent.status.map_or(0, |status| status.code),
        began: sent.start_time_unix_nano,
        name: sent.name,
        attributes: texts(sent.attributes),
        resource: resource.clone(),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

/// Two digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
