//! How far a long command is, on standard error, and only where that is a terminal; and how it is stopped.

use std::fmt::Write;

use indicatif::{HumanFloatCount, ProgressBar, ProgressFinish, ProgressState, ProgressStyle};
use tokio::signal;

use super::{CommandResult, Ended};

/// What a shell says of a command that Ctrl-C ended.
const STOPPED: u8 = 130;

/// A bar of so many steps, which is gone when it is dropped.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what).with_finish(ProgressFinish::AndClear);
    let template = "{msg} [{bar:30}] {human_pos}/{human_len} {pace} {eta}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ").with_key("pace", pace)),
        Err(_) => bar,
    }
}

fn pace(state: &ProgressState, out: &mut dyn Write) {
    // A bar that cannot be drawn is no reason to stop.
    let _ = write!(out, "{:.0}/s", HumanFloatCount(state.per_sec()));
}

/// Does long work, unless Ctrl-C comes before its end: then this is how things stand.
///
/// # Errors
/// The work's own; [`Ended`] when it was stopped.
pub(crate) async fn unless_stopped<T>(
    stands: &'static str,
    work: impl Future<Output = CommandResult<T>>,
) -> CommandResult<T> {
    tokio::select! {
        // From before the work begins.
        biased;
        Ok(()) = signal::ctrl_c() => Err(Ended(STOPPED, stands).into()),
        done = work => done,
    }
}
