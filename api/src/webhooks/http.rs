//! Webhooks over HTTP.

use axum::extract::State;
use shared::id::{AttemptId, DeliveryId, WebhookId};
use shared::scope::Scope;

use super::attempts::{self, FullAttempt};
use super::deliveries::{self, WebhookEvent};
use super::health::{self, WebhookHealth};
use super::{LIST, NewWebhook, Webhook, WebhookPatch};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::expand::{Expand, Expanded};
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, Ids, Ids3, IfMatch, Listed, NoContent, Params, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/webhooks";

/// What can be done with webhooks.
pub fn routes() -> Routes {
    use Scope::{WebhooksRead, WebhooksWrite};
    Routes::under(PATH, "Webhooks")
        .get("", WebhooksRead, list, Doc::page::<Webhook>("listWebhooks", "List webhooks", &LIST))
        .post(
            "",
            WebhooksWrite,
            create,
            Doc::created::<Webhook>("createWebhook", "Create a webhook")
                .body::<NewWebhook>()
                .conflict("There are a thousand webhooks already"),
        )
        .get("/{id}", WebhooksRead, show, Doc::data::<Webhook>("getWebhook", "Get a webhook"))
        .merge(
            "/{id}",
            WebhooksWrite,
            update,
            Doc::data::<Webhook>("updateWebhook", "Change a webhook")
                .body::<WebhookPatch>()
                .conditional(),
        )
        .delete(
            "/{id}",
            WebhooksWrite,
            remove,
            Doc::done("deleteWebhook", "Delete a webhook").conditional(),
        )
        .get(
            "/{id}/health",
            WebhooksRead,
            health,
            Doc::data::<WebhookHealth>("getWebhookHealth", "Get a webhook's health"),
        )
        .get("/{id}/events", WebhooksRead, events, events_doc())
        .get(
            "/{id}/events/{eventId}",
            WebhooksRead,
            event,
            Doc::data::<WebhookEvent>("getWebhookEvent", "Get a webhook's event")
                .expands(deliveries::LIST.expansions),
        )
        .get(
            "/{id}/events/{eventId}/attempts/{attemptId}",
            WebhooksRead,
            attempt,
            Doc::data::<FullAttempt>("getWebhookAttempt", "Explain an attempt"),
        )
        .post(
            "/{id}/events/{eventId}/resend",
            WebhooksWrite,
            resend,
            Doc::data::<WebhookEvent>("resendWebhookEvent", "Send an event again")
                .conflict("The event is still pending"),
        )
}

fn events_doc() -> Doc {
    let what = "List a webhook's events";
    Doc::page::<WebhookEvent>("listWebhookEvents", what, &deliveries::LIST)
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Webhook>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewWebhook>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let webhook = super::create(&mut tx, new, &app.config.keyring).await;
    let created = webhook.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
) -> Result<Data<Webhook>> {
    let mut tx = app.begin(&caller).await?;
    let webhook = super::show(&mut tx, id).await;
    tx.finish(webhook).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    seen: IfMatch,
    Valid(patch): Valid<WebhookPatch>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let webhook = super::update(&mut tx, id, &seen, patch, &app.config.keyring).await;
    app.commit(&caller, tx, webhook.map(Data)).await
}

async fn remove(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, id, &seen).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}

async fn health(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
) -> Result<Data<WebhookHealth>> {
    let mut tx = app.begin(&caller).await?;
    let health = health::of(&mut tx, id).await;
    tx.finish(health).await.map(Data)
}

async fn events(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    params: Params,
) -> Result<Listed<Expanded<WebhookEvent>>> {
    let query = ListQuery::parse(&deliveries::LIST, &params)?;
    let mut tx = app.begin(&caller).await?;
    let page = deliveries::list(&mut tx, id, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}

async fn event(
    caller: Caller,
    State(app): State<App>,
    Ids(webhook, event): Ids<WebhookId, DeliveryId>,
    params: Params,
) -> Result<Data<Expanded<WebhookEvent>>> {
    let expand = Expand::parse(deliveries::LIST.expansions, &params)?;
    let mut tx = app.begin(&caller).await?;
    let event = deliveries::find_one(&mut tx, webhook, event).await;
    let event = expand.record(&mut tx, event).await;
    tx.finish(event).await.map(Data)
}

async fn attempt(
    caller: Caller,
    State(app): State<App>,
    Ids3(webhook, event, attempt): Ids3<WebhookId, DeliveryId, AttemptId>,
) -> Result<Data<FullAttempt>> {
    let mut tx = app.begin(&caller).await?;
    let attempt = attempts::find_one(&mut tx, webhook, event, attempt).await;
    tx.finish(attempt).await.map(Data)
}

async fn resend(
    caller: Caller,
    State(app): State<App>,
    Ids(webhook, event): Ids<WebhookId, DeliveryId>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let event = deliveries::resend(&mut tx, webhook, event).await;
    app.commit(&caller, tx, event.map(Data)).await
}
