//! The statements that the api sends for a request, read from PostgreSQL's own log: what pgbench runs as the limit
//! cannot drift away from what the api does.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;
use super::wire::Connection;
use crate::servers::Result;

/// The wake-up of the workers is sent beside the requests, once for many of them, and is no part of any; for a request
/// that is alone, behind its commit.
const BELL: &str = "notify outbox";
const COMMIT_AND_BELL: &str = "commit; notify outbox";
/// The statement that is a whole creation has it as its second parameter.
const CREATION_AND_BELL: &str = "select pg_notify('outbox', 'events') from entry where $2";

/// Whatever a request sets off beside itself has happened by then.
const SETTLE: Duration = Duration::from_millis(100);

/// One statement as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    /// The values of `$1`, `$2`…; `None` is NULL.
    pub parameters: Vec<Option<String>>,
}

/// Makes two requests of a kind and returns what the server logged for the second, with the answer to it: the first
/// may pay for what is only done once.
///
/// # Errors
/// When a request fails, or the log cannot be understood.
pub async fn of_request(stage: &Stage, requests: [&[u8]; 2]) -> Result<(Vec<Statement>, Value)> {
    let mut session = stage.superuser().await?;
    sqlx::raw_sql("alter role crm_app set log_statement = 'all'").execute(&mut session).await?;
    let api = stage.api().await?;
    let mut connection = Connection::open(stage.api_address).await?;
    connection.call(requests[0]).await?;
    tokio::time::sleep(SETTLE).await;
    let log = stage.postgres()?.log();
    let before = fs::read(&log)?.len();
    let status = connection.call(requests[1]).await?;
    let answer = String::from_utf8_lossy(connection.body()).into_owned();
    // A session logs a statement before it runs it, so everything is there with the answer.
    let bytes = fs::read(&log)?;
    api.stop().await?;
    sqlx::raw_sql("alter role crm_app reset log_statement").execute(&mut session).await?;
    if !(200..300).contains(&status) {
        return Err(format!("the api answered {status}: {answer}").into());
    }
    let statements = parse(&String::from_utf8_lossy(&bytes[before..]))?;
    if statements.is_empty() {
        return Err(format!("no statement was logged in {}", log.display()).into());
    }
    Ok((statements, serde_json::from_str(&answer)?))
}

/// Reads the lines of `log_statement = 'all'`, of which there is one for each execution.
fn parse(log: &str) -> Result<Vec<Statement>> {
    let mut statements: Vec<Statement> = Vec::new();
    // A line that goes on begins with a tab.
    for entry in log.lines().fold(Vec::new(), join_continued) {
        if let Some((_, sql)) = entry.split_once("LOG:  statement: ") {
            let sql = if sql.starts_with(COMMIT_AND_BELL) { "commit" } else { sql };
            statements.push(Statement { sql: sql.to_owned(), parameters: Vec::new() });
        } else if let Some((_, execute)) = entry.split_once("LOG:  execute ") {
            let (_, sql) = execute.split_once(": ").ok_or("an execution without its statement")?;
            statements.push(Statement { sql: sql.to_owned(), parameters: Vec::new() });
        } else if let Some((_, list)) = entry.split_once("DETAIL:  parameters: ") {
            let last = statements.last_mut().ok_or("parameters without a statement")?;
            last.parameters = parameters(list)?;
            if last.sql.ends_with(CREATION_AND_BELL) {
                last.parameters[1] = Some("f".into());
            }
        }
    }
    statements.retain(|statement| !statement.sql.starts_with(BELL));
    Ok(statements)
}

fn join_continued(mut entries: Vec<String>, line: &str) -> Vec<String> {
    match (line.strip_prefix('\t'), entries.last_mut()) {
        (Some(rest), Some(entry)) => {
            entry.push('\n');
            entry.push_str(rest);
        }
        _ => entries.push(line.to_owned()),
    }
    entries
}

/// `$1 = 'it''s', $2 = NULL`.
fn parameters(mut list: &str) -> Result<Vec<Option<String>>> {
    let mut values = Vec::new();
    while !list.is_empty() {
        let (_, value) = list.split_once(" = ").ok_or_else(|| format!("no value in {list:?}"))?;
        if let Some(rest) = value.strip_prefix("NULL") {
            values.push(None);
            list = rest.strip_prefix(", ").unwrap_or(rest);
            continue;
        }
        let (text, rest) = quoted(value).ok_or_else(|| format!("no literal in {value:?}"))?;
        values.push(Some(text));
        list = rest.strip_prefix(", ").unwrap_or(rest);
    }
    Ok(values)
}

/// A literal, with its quotes undoubled, and what follows it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(sql: &str, parameters: &[Option<&str>]) -> Statement {
        let parameters = parameters.iter().map(|value| value.map(str::to_owned)).collect();
        Statement { sql: sql.into(), parameters }
    }

    #[test]
    fn executions_come_with_their_values_and_simple_statements_without() {
        let log = "2026-01-02 [7] crm_app@liaison LOG:  statement: begin; set local app.tenant_id = 'x'\n\
                   2026-01-02 [9] crm_app@liaison LOG:  statement: notify outbox, 'events'\n\
                   2026-01-02 [7] crm_app@liaison LOG:  execute sqlx_s_1: insert into t\n\
                   \t         values ($1, $2, $3)\n\
                   2026-01-02 [7] crm_app@liaison DETAIL:  parameters: $1 = 'it''s, $2 = x', $2 = NULL, $3 = '{\"a\": 1}'\n\
                   2026-01-02 [7] crm_app@liaison LOG:  statement: commit\n";
        assert_eq!(
            parse(log).unwrap(),
            [
                statement("begin; set local app.tenant_id = 'x'", &[]),
                statement(
                    "insert into t\n         values ($1, $2, $3)",
                    &[Some("it's, $2 = x"), None, Some("{\"a\": 1}")]
                ),
                statement("commit", &[]),
            ]
        );
    }

    #[test]
    fn a_request_that_was_alone_rang_and_what_pgbench_repeats_does_not() {
        let log = format!(
            "LOG:  statement: commit; notify outbox, 'events'\n\
             LOG:  execute sqlx_s_1: with entry as () {CREATION_AND_BELL}\n\
             DETAIL:  parameters: $1 = 'x', $2 = 't'\n"
        );
        let sql = format!("with entry as () {CREATION_AND_BELL}");
        assert_eq!(
            parse(&log).unwrap(),
            [statement("commit", &[]), statement(&sql, &[Some("x"), Some("f")])]
        );
    }
}
