//! A collector of traces: OTLP over HTTP, decoded as far as tests look.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
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
    /// 2 is a server, 4 a producer.
    pub kind: u64,
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

    /// The spans of one trace.
    #[must_use]
    pub fn trace(&self, id: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.trace_id == id).cloned().collect()
    }
}

async fn collect(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) {
    // ExportTraceServiceRequest.resource_spans = 1, ResourceSpans.scope_spans = 2, ScopeSpans.spans = 2
    let found = members(&body, 1).into_iter().flat_map(|resource| members(resource, 2));
    spans.lock().unwrap().extend(found.flat_map(|scope| members(scope, 2)).map(span));
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for field in Fields(bytes) {
        match field {
            (1, Field::Bytes(id)) => span.trace_id = hex(id),
            (2, Field::Bytes(id)) => span.span_id = hex(id),
            (4, Field::Bytes(id)) => span.parent_id = hex(id),
            (5, Field::Bytes(name)) => span.name = String::from_utf8_lossy(name).into_owned(),
            (6, Field::Number(kind)) => span.kind = kind,
            _ => {}
        }
    }
    span
}

fn members(message: &[u8], number: u64) -> Vec<&[u8]> {
    let of_number = |(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    Fields(message).filter_map(of_number).collect()
}

/// Two digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message with their numbers.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let key = self.varint();
        let field = match key & 7 {
            0 => Field::Number(self.varint()),
            1 => Field::Bytes(self.take(8)),
            2 => {
                let length = usize::try_from(self.varint()).unwrap();
                Field::Bytes(self.take(length))
            }
            5 => Field::Bytes(self.take(4)),
            other => panic!("protobuf has no wire type {other}"),
        };
        Some((key >> 3, field))
    }
}
