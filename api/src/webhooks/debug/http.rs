//! Signature checks over HTTP.

use axum::extract::{FromRequest as _, Request, State};
use shared::id::WebhookId;
use shared::scope::Scope;
use tokio::sync::Semaphore;

use super::Diagnosis;
use super::input::SignatureCheck;
use crate::App;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id, Reply, Valid};

/// One check at a time: the largest computes for tenths of a second, and nobody else's requests are to wait for that.
/// Taken before a connection is.
static TURN: Semaphore = Semaphore::const_new(1);

/// What can be asked.
pub fn routes() -> Routes {
    Routes::under("/api/v1/webhooks/{id}/signature", "Webhooks").post(
        "/verify",
        Scope::WebhooksRead,
        verify,
        Doc::data::<Diagnosis>(
            "verifyWebhookSignature",
            "Find out why a signature does not verify",
        )
        .body::<SignatureCheck>()
        .conflict("The webhook's secret cannot be opened"),
    )
}

async fn verify(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<WebhookId>,
    request: Request,
) -> Result<Reply> {
    // Before the body, which it holds until it is its turn.
    let _place = app.checks.take(caller.tenant).await?;
    let Valid(check) = Valid::<SignatureCheck>::from_request(request, &app).await?;
    let _turn = TURN.acquire().await.map_err(|closed| Error::Internal(closed.into()))?;
    let mut tx = app.begin(&caller).await?;
    let diagnosis = super::diagnose(&mut tx, id, check, &app.config.keyring).await;
    app.commit(&caller, tx, diagnosis.map(Data)).await
}
