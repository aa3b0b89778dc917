//! Logs, traces and metrics. Logs are JSON lines on standard output; traces leave over OTLP when an endpoint is
//! configured; metrics are rendered for the admin port.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use url::Url;

use crate::settings::{Settings, Value};

/// Seconds, from half a millisecond to the end of the longest retry.
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 1800.0,
];

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err("write json or text".into()),
        }
    }
}

/// What to log and where traces go.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    filter: String,
    format: LogFormat,
    otlp: Option<String>,
}

impl TelemetryConfig {
    /// Reads `LOG`, `LOG_FORMAT` and `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let filter: Option<String> = settings.default(
            "LOG",
            "info",
            "What to log: a level, or directives such as info,worker=debug",
        );
        let format = settings.default("LOG_FORMAT", "json", "How to log: json or text");
        let otlp: Option<Option<Url>> = settings.optional(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Where traces are sent (OTLP over HTTP), such as http://127.0.0.1:4318",
        );
        if filter.as_ref().is_some_and(|filter| filter.parse::<EnvFilter>().is_err()) {
            settings
                .fault("LOG is not valid: write a level or directives such as info,worker=debug");
        }
        Some(Self { filter: filter?, format: format?, otlp: otlp?.map(String::from) })
    }
}

/// Telemetry could not be started.
#[derive(Debug, thiserror::Error)]
#[error("telemetry could not be started: {0}")]
pub struct TelemetryError(String);

/// Running telemetry; drop it last, it sends what is left.
pub struct Telemetry {
    provider: SdkTracerProvider,
    metrics: PrometheusHandle,
}

impl Telemetry {
    /// Starts logging, tracing and metrics for the whole process.
    ///
    /// # Errors
    /// A second start, or an OTLP endpoint that is no URL.
    pub fn start(service: &'static str, config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let provider = tracer(service, config.otlp.as_deref())?;
        let filter = EnvFilter::new(&config.filter);
        let log = match config.format {
            LogFormat::Json => tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .boxed(),
            LogFormat::Text => {
                tracing_subscriber::fmt::layer().with_ansi(std::io::stdout().is_terminal()).boxed()
            }
        };
        // Where in the code, on which thread and how long a span was idle: read by nobody, paid at every poll of it.
        let spans = tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_tracer(provider.tracer(service));
        tracing_subscriber::registry()
            .with(filter)
            .with(log)
            .with(spans)
            .try_init()
            .map_err(|error| TelemetryError(error.to_string()))?;
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| TelemetryError(error.to_string()))?;
        Ok(Self { provider, metrics })
    }

    /// Renders all metrics in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let _ = self.provider.shutdown();
    }
}

/// With no endpoint nothing is recorded, but trace ids exist all the same: they join logs, events and deliveries.
fn tracer(service: &'static str, otlp: Option<&str>) -> Result<SdkTracerProvider, TelemetryError> {
    let builder = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(service).build());
    let Some(endpoint) = otlp else {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        return Ok(builder.with_sampler(sampler).build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| TelemetryError(error.to_string()))?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// Continues the trace that a `traceparent` (W3C Trace Context) names; anything malformed is ignored.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        let _ =
            span.set_parent(TraceContextPropagator::new().extract(&Header(traceparent.to_owned())));
    }
}

/// The `traceparent` of a span, to be stored or sent on.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let mut header = Header(String::new());
    TraceContextPropagator::new().inject_context(&span.context(), &mut header);
    (!header.0.is_empty()).then_some(header.0)
}

/// The trace id of a span: 32 hexadecimal digits.
#[must_use]
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// A carrier of the one header.
struct Header(String);

impl Extractor for Header {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

impl Injector for Header {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = value;
        }
    }
}
