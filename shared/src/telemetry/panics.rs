//! Panics as lines of the log, with the ids of the request or delivery whose span they happen in, and as a metric.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Has panics told from now on, in place of the standard library's lines on standard error; where the log is to have no
/// errors, by these.
pub(super) fn tell() {
    let lines = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics::counter!("panics_total").increment(1);
        if tracing::enabled!(tracing::Level::ERROR) { log(panic) } else { lines(panic) }
    }));
}

fn log(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let error = panic.payload_as_str().unwrap_or("no text");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(error, place, backtrace, "a panic");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_counted_and_a_line_with_its_place_and_the_ids_of_what_it_happened_in() {
        let written = Written::default();
        let to = written.clone();
        let lines =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || to.clone()).finish();
        let recorder = PrometheusBuilder::new().build_recorder();
        let panic = || {
            let _entered = tracing::info_span!("deliver", delivery_id = "d-1").entered();
            tell();
            let panicked = std::panic::catch_unwind(|| panic!("on purpose"));
            let _ = std::panic::take_hook();
            panicked.unwrap_err();
        };
        metrics::with_local_recorder(&recorder, || tracing::subscriber::with_default(lines, panic));
        let counted = recorder.handle().render();
        assert!(counted.lines().any(|line| line == "panics_total 1"), "{counted}");
        let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for part in ["on purpose", "panics.rs:", "d-1", "ERROR"] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
    }
}
