//! HTTP, once for all resources: the route table, who calls, what a body may hold, what an answer looks like.

pub mod address;
pub mod answer;
pub(crate) mod authorize;
mod body;
mod catalogue;
pub mod deprecation;
pub mod describe;
mod detach;
pub mod doc;
mod envelope;
mod etag;
pub mod expand;
pub mod fields;
mod flood;
mod idempotency;
pub mod json;
mod limits;
mod observe;
pub mod openapi;
mod parameters;
pub mod params;
pub mod path;
pub mod permits;
mod reference;
pub mod routes;
pub mod rules;
pub mod streams;
mod terms;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub use answer::{Accepted, Answer, Created, Data, Listed, NoContent, Reply, Representation};
pub(crate) use body::no_object;
pub use body::{MAX_BODY, OptionalBody, Valid};
pub use detach::Deadline;
pub use etag::IfMatch;
pub use observe::RequestFacts;
pub use params::Params;
pub use path::{Id, Ids, Ids3, Resource};

pub(crate) use terms::QueryFaults;
pub use terms::Terms;

use crate::App;
use crate::error::Error;

/// The whole api.
pub fn app(app: App) -> Router {
    layered(
        routes::router(crate::routes(), &app).merge(reference::router()).merge(catalogue::router()),
        app,
    )
}

/// Puts around some routes the layers that every request passes, answers for unknown ones included.
pub fn layered(routes: Router<App>, app: App) -> Router {
    let routes = routes
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), detach::detach));
    flood::guarded(routes, &app)
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}
