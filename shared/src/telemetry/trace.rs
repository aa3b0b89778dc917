//! Traces: which are kept, where they go, and how a trace passes from a request through the outbox to a receiver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{KeyValue, Value as Attribute};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::Url;

use super::TelemetryError;
use crate::secret::Secret;
use crate::settings::{Settings, Value};

/// Where traces go and which of them.
#[derive(Clone, Debug)]
pub(super) struct TraceConfig {
    /// It may carry credentials.
    endpoint: Option<Secret<String>>,
    sampling: Sampling,
    ratio: Ratio,
}

/// The samplers of OpenTelemetry's specification, by its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampling {
    parent_based: bool,
    /// `None` goes by the ratio.
    always: Option<bool>,
}

impl Value for Sampling {
    fn parse(text: &str) -> Result<Self, String> {
        let root = text.strip_prefix("parentbased_");
        let always = match root.unwrap_or(text) {
            "always_on" => Some(true),
            "always_off" => Some(false),
            "traceidratio" => None,
            _ => {
                return Err(
                    "write always_on, always_off or traceidratio, or one of them behind parentbased_"
                        .into(),
                );
            }
        };
        Ok(Self { parent_based: root.is_some(), always })
    }
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Ratio(f64);

impl Value for Ratio {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Self(ratio)),
            _ => Err("write a number from 0 to 1, such as 0.1".into()),
        }
    }
}

impl TraceConfig {
    pub(super) fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let endpoint: Option<Option<Url>> = settings.optional(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Where traces are sent (OTLP over HTTP), such as http://127.0.0.1:4318",
        );
        let sampling = settings.default(
            "OTEL_TRACES_SAMPLER",
            "parentbased_always_on",
            "Which traces are sent: always_on, always_off or traceidratio; behind parentbased_ a caller that sends \
             a traceparent decides",
        );
        let ratio = settings.default(
            "OTEL_TRACES_SAMPLER_ARG",
            "1",
            "With traceidratio: the part of all traces, from 0 to 1",
        );
        Some(Self {
            endpoint: endpoint?.map(|url| Secret::new(url.into())),
            sampling: sampling?,
            ratio: ratio?,
        })
    }

    /// With no endpoint nothing is recorded, but trace ids exist all the same: they join logs, events and deliveries.
    pub(super) fn provider(&self, service: &str) -> Result<SdkTracerProvider, TelemetryError> {
        let about = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let builder = SdkTracerProvider::builder().with_resource(about);
        let Some(endpoint) = &self.endpoint else {
            let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
            return Ok(builder.with_sampler(sampler).build());
        };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.expose().trim_end_matches('/')))
            .build()
            .map_err(|error| TelemetryError(error.to_string()))?;
        let exporter = Counted { exporter, lost: AtomicBool::new(false) };
        Ok(builder.with_sampler(self.sampler()).with_batch_exporter(exporter).build())
    }

    fn sampler(&self) -> Sampler {
        let root = match self.sampling.always {
            Some(true) => Sampler::AlwaysOn,
            Some(false) => Sampler::AlwaysOff,
            None => Sampler::TraceIdRatioBased(self.ratio.0),
        };
        if self.sampling.parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
    }
}

/// Counts what leaves and says why it does not, because the exporter itself says nothing of a collector that is away.
#[derive(Debug)]
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    /// Whether the last batch was lost.
    lost: AtomicBool,
}

impl Counted {
    /// Once when it begins and once when it ends.
    fn tell(&self, exported: &OTelSdkResult) {
        let lost = exported.is_err();
        if self.lost.swap(lost, Ordering::Relaxed) == lost {
            return;
        }
        match exported {
            Ok(()) => tracing::info!("spans reach the collector again"),
            Err(error) => tracing::warn!(%error, "spans do not reach the collector, and are lost"),
        }
    }
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        self.tell(&exported);
        let outcome = if exported.is_ok() { "sent" } else { "lost" };
        metrics::counter!("trace_spans_total", "outcome" => outcome).increment(spans);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Adds to the trace what the log does not show, by the names of OpenTelemetry's semantic conventions.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<Attribute>) {
    span.set_attribute(key, value);
}

/// Marks a span as failed, with a short word for the reason (`error.type`).
pub fn failed(span: &Span, reason: &str) {
    span.set_attribute("error.type", reason.to_owned());
    span.set_status(Status::error(""));
}

/// Continues the trace that a `traceparent` (W3C Trace Context) names, or begins one; anything malformed is ignored.
/// Its id goes into the span's `trace_id`, for the log. Says whether the trace is kept, so that attributes have a
/// reader.
#[must_use]
pub fn continue_trace(span: &Span, traceparent: Option<&str>) -> bool {
    if let Some(traceparent) = traceparent {
        let _ =
            span.set_parent(TraceContextPropagator::new().extract(&Header(traceparent.to_owned())));
    }
    let context = span.context();
    let context = context.span();
    let about = context.span_context();
    if about.is_valid() {
        span.record("trace_id", about.trace_id().to_string());
    }
    context.is_recording()
}

/// The `traceparent` of a span, to be stored or sent on.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let mut header = Header(String::new());
    TraceContextPropagator::new().inject_context(&span.context(), &mut header);
    (!header.0.is_empty()).then_some(header.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: &str, ratio: &str) -> String {
        let sampling = Sampling::parse(sampling).unwrap();
        let config = TraceConfig { endpoint: None, sampling, ratio: Ratio::parse(ratio).unwrap() };
        format!("{:?}", config.sampler())
    }

    #[test]
    fn samplers_have_the_names_of_the_specification() {
        assert_eq!(sampler("always_on", "1"), "AlwaysOn");
        assert_eq!(sampler("always_off", "1"), "AlwaysOff");
        assert_eq!(sampler("traceidratio", "0.25"), "TraceIdRatioBased(0.25)");
        assert_eq!(
            sampler("parentbased_traceidratio", "0.5"),
            "ParentBased(TraceIdRatioBased(0.5))"
        );
        for bad in ["", "on", "jaeger_remote", "parentbased_", "parentbased_parentbased_always_on"]
        {
            assert!(Sampling::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "-0.1", "1.1", "NaN", "half"] {
            assert!(Ratio::parse(bad).is_err(), "{bad}");
        }
    }
}
