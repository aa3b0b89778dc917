//! Logs, traces and metrics. Logs are JSON lines on standard output; traces leave over OTLP when an endpoint is
//! configured; metrics are rendered for the admin port. What there is, is in docs/observability.md.

mod chosen;
mod lines;
pub mod metrics;
mod panics;
mod trace;

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::{Settings, Value};
use chosen::Chosen;
use lines::{Lines, Members};
use metrics::{Exposition, Metric};
use trace::TraceConfig;
pub use trace::{attribute, continue_trace, failed, traceparent};

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
    trace: TraceConfig,
}

impl TelemetryConfig {
    /// Reads `LOG`, `LOG_FORMAT` and the variables of traces.
    pub fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let filter: Option<String> = settings.default(
            "LOG",
            "info",
            "What to log: a level, or directives such as info,worker=debug",
        );
        let format = settings.default("LOG_FORMAT", "json", "How to log: json or text");
        let trace = TraceConfig::read(settings);
        if filter.as_ref().is_some_and(|filter| filter.parse::<EnvFilter>().is_err()) {
            settings
                .fault("LOG is not valid: write a level or directives such as info,worker=debug");
        }
        Some(Self { filter: filter?, format: format?, trace: trace? })
    }
}

/// Telemetry could not be started.
#[derive(Debug, thiserror::Error)]
#[error("telemetry could not be started: {0}")]
pub struct TelemetryError(String);

/// Running telemetry; drop it last, it sends what is left.
pub struct Telemetry {
    provider: SdkTracerProvider,
    metrics: Exposition,
}

impl Telemetry {
    /// Starts logging, tracing and metrics for the whole process: `api` or `worker`, with what it measures. Within a
    /// runtime.
    ///
    /// # Errors
    /// A second start, or an OTLP endpoint that is no URL.
    pub fn start(
        program: &'static str,
        measured: &[Metric],
        config: &TelemetryConfig,
    ) -> Result<Self, TelemetryError> {
        let provider = config.trace.provider(&format!("liaison-{program}"))?;
        // Where in the code, on which thread, how long a span was idle, and what OpenTelemetry takes for the current
        // one: read by nobody, paid at every poll of it.
        let spans = tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_tracer(provider.tracer("liaison"));
        let lines = tracing_subscriber::fmt::layer();
        let lines = match config.format {
            LogFormat::Json => lines.fmt_fields(Members).event_format(Lines).boxed(),
            LogFormat::Text => lines.with_ansi(std::io::stdout().is_terminal()).boxed(),
        };
        tracing_subscriber::registry()
            .with(Chosen(EnvFilter::new(&config.filter)))
            .with(lines)
            .with(spans)
            .try_init()
            .map_err(|error| TelemetryError(error.to_string()))?;
        let metrics = Exposition::start(program, measured)
            .map_err(|error| TelemetryError(error.to_string()))?;
        panics::tell();
        Ok(Self { provider, metrics })
    }

    /// What the operators' port shows.
    #[must_use]
    pub fn metrics(&self) -> Exposition {
        self.metrics.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let _ = self.provider.shutdown();
    }
}
