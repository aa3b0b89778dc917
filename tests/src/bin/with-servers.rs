//! `with-servers [--redis] -- COMMAND ARGUMENTS…` runs a command beside a PostgreSQL of its own and, if asked, a Redis.
//! The command finds them in `TEST_DATABASE_URL` (superuser), `TEST_REDIS_URL` and `PG_BIN`. Both are gone afterwards,
//! whatever happened; the exit code is the command's.
#![expect(clippy::print_stderr, reason = "a command line tool talks to its user")]

use std::env;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::Signal;
use tests::servers::{Options, Postgres, Redis, Result, send_to_group};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run(env::args().skip(1).collect()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-servers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<ExitCode> {
    let (wants_redis, command) = match arguments.as_slice() {
        [flag, dashes, command @ ..] if flag == "--redis" && dashes == "--" => (true, command),
        [dashes, command @ ..] if dashes == "--" => (false, command),
        _ => (false, [].as_slice()),
    };
    let [program, arguments @ ..] = command else {
        return Err("usage: with-servers [--redis] -- COMMAND ARGUMENTS…".into());
    };
    // Before the servers start: from here on a signal no longer ends us, and the servers are stopped.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let mut postgres = Postgres::start(Options::TEST).await?;
    let mut redis = if wants_redis { Some(Redis::start().await?) } else { None };

    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("TEST_DATABASE_URL", postgres.admin_url())
        .env("PG_BIN", postgres.bin())
        // cargo passes SIGTERM to none of its children; a group of their own lets us reach all of them, once.
        .process_group(0);
    if let Some(redis) = &redis {
        command.env("TEST_REDIS_URL", redis.url());
    }
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let group = child.id().unwrap_or_default();
    let status = loop {
        let signal = tokio::select! {
            status = child.wait() => break status?,
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
        };
        send_to_group(group, signal)?;
    };

    if let Some(redis) = &mut redis {
        redis.stop().await?;
    }
    postgres.end().await?;
    Ok(exit_code(status))
}

/// The command's own code, or 128 + signal as a shell says it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
