//! Replays over HTTP.

use axum::extract::State;
use shared::id::{ReplayId, WebhookId};
use shared::scope::Scope;

use super::{LIST, NewReplay, Replay, Turn};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, Ids, Listed, OptionalBody, Params, Reply};
use crate::list::ListQuery;

const WEBHOOKS: &str = "/api/v1/webhooks";

/// What can be done with replays.
pub fn routes() -> Routes {
    use Scope::{WebhooksRead, WebhooksWrite};
    let turn = |id, summary| Doc::data::<Replay>(id, summary).conflict("The replay is over");
    Routes::under(WEBHOOKS, "Webhooks")
        .get(
            "/{id}/replays",
            WebhooksRead,
            list,
            Doc::page::<Replay>("listWebhookReplays", "List a webhook's replays", &LIST),
        )
        .post(
            "/{id}/replays",
            WebhooksWrite,
            create,
            Doc::created::<Replay>("createWebhookReplay", "Send many deliveries again")
                .optional_body::<NewReplay>()
                .conflict("Another replay of the webhook is not over"),
        )
        .get(
            "/{id}/replays/{replayId}",
            WebhooksRead,
            show,
            Doc::data::<Replay>("getWebhookReplay", "See how far a replay is"),
        )
        .post(
            "/{id}/replays/{replayId}/pause",
            WebhooksWrite,
            pause,
            turn("pauseWebhookReplay", "Pause a replay"),
        )
        .post(
            "/{id}/replays/{replayId}/resume",
            WebhooksWrite,
            resume,
            turn("resumeWebhookReplay", "Go on with a replay"),
        )
        .post(
            "/{id}/replays/{replayId}/cancel",
            WebhooksWrite,
            cancel,
            turn("cancelWebhookReplay", "End a replay"),
        )
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    Id(webhook): Id<WebhookId>,
    params: Params,
) -> Result<Listed<Replay>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin(&caller).await?;
    let page = super::list(&mut tx, webhook, &query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Id(webhook): Id<WebhookId>,
    OptionalBody(new): OptionalBody<NewReplay>,
) -> Result<Reply> {
    // It counts for seconds, with a connection.
    let _place = app.sweeps.take(caller.tenant).await?;
    let mut tx = app.begin(&caller).await?;
    let replay = super::create(&mut tx, webhook, new).await;
    let created = replay.map(|data| {
        let location = format!("{WEBHOOKS}/{webhook}/replays/{}", data.id);
        Created { location, data }
    });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Ids(webhook, id): Ids<WebhookId, ReplayId>,
) -> Result<Data<Replay>> {
    let mut tx = app.begin(&caller).await?;
    let replay = super::show(&mut tx, webhook, id).await;
    tx.finish(replay).await.map(Data)
}

async fn pause(caller: Caller, state: State<App>, ids: Ids<WebhookId, ReplayId>) -> Result<Reply> {
    turn(caller, state, ids, Turn::Pause).await
}

async fn resume(caller: Caller, state: State<App>, ids: Ids<WebhookId, ReplayId>) -> Result<Reply> {
    turn(caller, state, ids, Turn::Resume).await
}

async fn cancel(caller: Caller, state: State<App>, ids: Ids<WebhookId, ReplayId>) -> Result<Reply> {
    turn(caller, state, ids, Turn::Cancel).await
}

async fn turn(
    caller: Caller,
    State(app): State<App>,
    Ids(webhook, id): Ids<WebhookId, ReplayId>,
    turn: Turn,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let replay = super::turn(&mut tx, webhook, id, turn).await;
    app.commit(&caller, tx, replay.map(Data)).await
}
