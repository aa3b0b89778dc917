//! The one question before something that cannot be taken back.

use std::io::{self, IsTerminal as _, Write as _};

use super::CommandResult;

/// Passes with `--yes`, or when the operator types the name at the terminal.
///
/// # Errors
/// Another answer; nobody to ask.
pub(crate) fn confirm(yes: bool, question: &str, name: &str) -> CommandResult {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err("this cannot be taken back: say --yes".into());
    }
    let mut asking = io::stderr();
    write!(asking, "{question}\nType {name} to go on: ")?;
    asking.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim_end_matches(['\r', '\n']) == name {
        Ok(())
    } else {
        Err("nothing was done".into())
    }
}
