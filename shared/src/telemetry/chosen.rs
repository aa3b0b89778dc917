//! The `LOG` filter. It drops lines but never our own spans: a warning needs its request's fields, and traces have
//! variables of their own.
//!
//! One filter for all layers: with one for each, whoever asks `tracing::enabled!`, as sqlx does, would leave its answer
//! behind for the next line.

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// Whose spans there always are.
const OURS: [&str; 3] = ["api", "worker", "shared"];

/// See the module.
pub(super) struct Chosen(pub EnvFilter);

fn is_span_of_ours(about: &Metadata<'_>) -> bool {
    let target = about.target().split("::").next().unwrap_or_default();
    about.is_span() && *about.level() <= Level::INFO && OURS.contains(&target)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Chosen {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        let interest = Layer::<S>::register_callsite(&self.0, about);
        if is_span_of_ours(about) { Interest::always() } else { interest }
    }

    fn enabled(&self, about: &Metadata<'_>, context: Context<'_, S>) -> bool {
        is_span_of_ours(about) || Layer::<S>::enabled(&self.0, about, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<S>::max_level_hint(&self.0).map(|most| most.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_new_span(&self.0, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Layer::<S>::on_record(&self.0, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_enter(&self.0, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_exit(&self.0, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Layer::<S>::on_close(&self.0, id, context);
    }
}
