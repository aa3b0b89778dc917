//! The flood guard: so many requests of one address, before anybody asks the database who it is (requirement R-8). Each
//! process guards itself; the limits that callers are promised are counted in [`crate::limit`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::Request;
use shared::Clock;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::address;
use super::observe::RequestFacts;
use crate::App;
use crate::error::Error;
use crate::limit::{Decision, Limit, Rate};

const POLICY: &str = "flood";

/// Puts the guard around some routes: the quota of `FLOOD_GUARD` at once, refilled evenly over its window.
pub(super) fn guarded(routes: Router<App>, app: &App) -> Router<App> {
    let Limit::Rate(rate) = app.config.limits.flood else { return routes };
    let window = Duration::from_secs(rate.window.into());
    let config = GovernorConfigBuilder::default()
        .period(window / rate.quota)
        .burst_size(rate.quota)
        .key_extractor(ByAddress)
        .finish();
    // `None` is for a period or burst of zero, which no rate has.
    let Some(config) = config else { return routes };
    metrics::counter!("rate_limit_decisions_total", "policy" => POLICY, "decision" => "refused")
        .absolute(0);
    let limiter = Arc::downgrade(config.limiter());
    tokio::spawn(async move {
        // Addresses with a full quota are forgotten: memory is bounded by the requests of two windows.
        while let Some(limiter) = limiter.upgrade() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            drop(limiter);
            tokio::time::sleep(window).await;
        }
    });
    let clock = app.db.clock().clone();
    let layer = GovernorLayer::new(config).error_handler(move |error| refuse(&error, rate, &clock));
    routes.layer(layer)
}

#[derive(Clone)]
struct ByAddress;

impl KeyExtractor for ByAddress {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        let facts = request.extensions().get::<RequestFacts>();
        let facts = facts.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(address::subscriber(facts.address))
    }
}

fn refuse(error: &GovernorError, rate: Rate, clock: &Clock) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return Error::Internal(error.to_string().into()).into_response();
    };
    metrics::counter!("rate_limit_decisions_total", "policy" => POLICY, "decision" => "refused")
        .increment(1);
    // It was rounded down.
    let wait_ms = i64::try_from(wait_time + 1).unwrap_or(i64::MAX / 1_000) * 1_000;
    let now_ms = clock.now().timestamp_millis();
    Error::RateLimited(Decision::refusal(POLICY, rate, wait_ms, now_ms)).into_response()
}
