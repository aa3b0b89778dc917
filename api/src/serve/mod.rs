//! `api serve`: the tenants' port, the operators' port, and a clean stop.

mod admin;
mod listener;

use std::time::Duration;

use shared::db::check::{self, Process};
use shared::telemetry::Telemetry;
use shared::{Clock, Db};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::commands::CommandResult;
use crate::config::Config;
use crate::measured::METRICS;
use crate::{App, http};

/// How long requests under way may take to end after a stop signal.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(config: Config) -> CommandResult {
    let telemetry = Telemetry::start("api", METRICS, &config.telemetry)?;
    check::require(&config.db.url, Process::Api).await?;
    let db = Db::new(&config.db, Clock::system());
    let tenants = bind(config.listen, "API_LISTEN")?;
    let operators = bind(config.admin_listen, "ADMIN_LISTEN")?;
    let stop_signal = shared::stop::signalled()?;
    tracing::info!(api = %tenants.local_addr()?, admin = %operators.local_addr()?, "serving");

    let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
    let drain_delay = config.drain_delay;
    let app = App::new(db.clone(), config, stop.clone())?;
    let bell = tokio::spawn({
        let (db, stop) = (db.clone(), stop.clone());
        async move { db.carry_bell(stop).await }
    });
    tokio::spawn(db.clone().compare_clocks(stop.clone()));
    let used = tokio::spawn({
        let (db, used, stop) = (db.clone(), app.used.clone(), stop.clone());
        async move { used.write(&db, stop).await }
    });
    let admin = admin::router(db.clone(), telemetry.metrics(), leaving.clone());
    let admin = tokio::spawn(listener::run(operators, admin, stop.clone(), GRACE));
    let api = tokio::spawn(listener::run(tenants, http::app(app), stop.clone(), GRACE));

    shared::supervisor::ready();

    stop_signal.await;
    shared::supervisor::stopping();
    leaving.cancel();
    drain(drain_delay).await?;
    tracing::info!("stopping: no new requests, those under way are finished");
    stop.cancel();
    let _ = tokio::join!(api, admin, bell, used);
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Goes on serving until load balancers have seen that `/readyz` says 503; a second signal ends the wait.
async fn drain(delay: Duration) -> CommandResult {
    if !delay.is_zero() {
        tracing::info!(?delay, "draining: not ready any more, but requests are still served");
        let again = shared::stop::signalled()?;
        let _ = tokio::time::timeout(delay, again).await;
    }
    Ok(())
}

/// Binds a port, or says which variable moves it.
fn bind(address: std::net::SocketAddr, variable: &str) -> CommandResult<TcpListener> {
    listener::bind(address)
        .map_err(|error| format!("{address} ({variable}) cannot be listened on: {error}").into())
}
