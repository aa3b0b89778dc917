//! The change feed over HTTP.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use http::{HeaderMap, HeaderName};
use shared::id::EventId;

use super::explain::{self, Explanation};
use super::{Event, Feed, FeedQuery, SCOPE, follow, input};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id, Params};

/// What can be done with the event log: read it.
pub fn routes() -> Routes {
    Routes::under("/api/v1/events", "Events")
        .get("", SCOPE, page, page_doc())
        .get("/stream", SCOPE, stream, stream_doc())
        .get("/{id}", SCOPE, show, Doc::data::<Event>("getEvent", "Get one event"))
        .get("/{id}/webhooks", SCOPE, explain, explain_doc())
}

fn page_doc() -> Doc {
    let doc = Doc::data::<Feed>("listEvents", "Read the events behind a number, oldest first");
    input::limited(input::described(doc))
}

fn stream_doc() -> Doc {
    let example = "id: 6\n\nid: 7\ndata: {\"id\":\"01a2036d-dd90-8f80-adb3-9b61f9f3842d\",\"sequence\":7,\
        \"event\":\"contact.created\",\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"data\":{\"…\":\"…\"},\"requestId\":null}\n\n";
    input::described(Doc::events("followEvents", "Follow the events as they come", example))
        .header("Last-Event-ID", "The number of the last event that came; `after` is ignored then")
        .answers_with("X-Accel-Buffering", "`no`: proxies are not to hold events back")
        .conflict("Fifty streams of the tenant are open already")
}

fn explain_doc() -> Doc {
    Doc::data::<Explanation>("explainEvent", "Explain which webhooks an event went to, and why")
}

async fn page(caller: Caller, State(app): State<App>, params: Params) -> Result<Data<Feed>> {
    let mut query = FeedQuery::page(&params)?;
    let _place = query.place(&app, &caller).await?;
    let mut tx = app.begin(&caller).await?;
    let page = super::page(&mut tx, &mut query).await;
    tx.finish(page).await.map(Data)
}

async fn show(caller: Caller, State(app): State<App>, Id(id): Id<EventId>) -> Result<Data<Event>> {
    let mut tx = app.begin(&caller).await?;
    let event = super::show(&mut tx, id).await;
    tx.finish(event).await.map(Data)
}

async fn explain(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<EventId>,
) -> Result<Data<Explanation>> {
    let mut tx = app.begin(&caller).await?;
    let explanation = explain::explain(&mut tx, id).await;
    tx.finish(explanation).await.map(Data)
}

async fn stream(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    params: Params,
) -> Result<impl IntoResponse> {
    let last = headers.get("last-event-id").map(|last| last.to_str().unwrap_or("?"));
    let query = FeedQuery::stream(&params, last)?;
    let followed = follow::follow(app, caller, headers, query).await?;
    // nginx would hold events back until its buffer is full.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok((AppendHeaders([unbuffered]), followed))
}
