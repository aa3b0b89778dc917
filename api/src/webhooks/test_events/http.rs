//! Test events over HTTP.

use axum::extract::State;
use shared::id::WebhookId;
use shared::scope::Scope;

use super::input::TestEvent;
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Created, Id, OptionalBody, Reply};
use crate::webhooks::deliveries::WebhookEvent;

const PATH: &str = "/api/v1/webhooks";

/// What can be done with test events: send one.
pub fn routes() -> Routes {
    Routes::under(PATH, "Webhooks").post(
        "/{id}/test",
        Scope::WebhooksWrite,
        send,
        Doc::created::<WebhookEvent>("testWebhook", "Send a webhook a test event")
            .optional_body::<TestEvent>()
            .conflict("The webhook is off"),
    )
}

async fn send(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    OptionalBody(test): OptionalBody<TestEvent>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let sent = super::send(&mut tx, id, test.event).await;
    let sent =
        sent.map(|data| Created { location: format!("{PATH}/{id}/events/{}", data.id), data });
    app.commit(&caller, tx, sent).await
}
