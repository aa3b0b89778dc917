//! Sessions over HTTP.

use axum::Extension;
use axum::extract::State;
use shared::id::SessionId;
use utoipa::ToSchema;

use super::{Client, LIST, PROMPT, REFUSED, Renewal, Session, SignedIn};
use crate::App;
use crate::auth::{Caller, Principal};
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::fields::{Fields, Input};
use crate::http::routes::{Access, Class, Routes};
use crate::http::{
    Data, Deadline, Id, Listed, NoContent, Params, Reply, RequestFacts, Valid, rules,
};
use crate::list::ListQuery;

/// What can be done with sessions.
pub fn routes() -> Routes {
    use Access::{Session as OurSession, User};
    Routes::under("/api/v1/auth", "Signing in")
        .public_post(
            "/refresh",
            // One address may be a whole office's: refreshes are counted by session, in the handler (requirement R-4).
            Class::Write,
            refresh,
            Doc::data::<SignedIn>("refreshSession", "Exchange a refresh token for a fresh pair")
                .body::<Refresh>()
                .refuses(&[401]),
        )
        .post("/logout", OurSession, logout, Doc::done("logout", "End this session"))
        .post("/logout-all", User, logout_all, Doc::done("logoutAll", "End all of one's sessions"))
        .get(
            "/sessions",
            User,
            list,
            Doc::page::<Session>("listSessions", "List one's sessions", &LIST),
        )
        .delete("/sessions/{id}", User, remove, Doc::done("deleteSession", "End one's session"))
}

/// What a pair of tokens is refreshed with.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"refreshToken": "crt_…"}))]
struct Refresh {
    /// The newest refresh token of the session.
    refresh_token: String,
}

impl Input for Refresh {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { refresh_token: fields.required("refreshToken", rules::string())? })
    }
}

async fn refresh(
    State(app): State<App>,
    Extension(facts): Extension<RequestFacts>,
    Extension(deadline): Extension<Deadline>,
    client: Client,
    Valid(body): Valid<Refresh>,
) -> Result<Data<SignedIn>> {
    deadline.hasten(PROMPT);
    let (tenant, session) = super::of_token(&app.db, &body.refresh_token).await?;
    facts.heed(app.limits.take(Class::Refresh, &session.to_string()).await?);
    facts.span.record("tenant_id", tracing::field::display(tenant));
    let mut tx = app.db.tenant(tenant, facts.origin()).await?;
    let token = (session, &*body.refresh_token);
    let renewal = super::renew(&mut tx, &app.config.tokens, token, &client).await;
    // A session that is revoked for its token's second use stays revoked, whatever the caller is told.
    match tx.finish(renewal).await? {
        Renewal::Renewed(signed_in) => {
            let user = Principal::User { id: signed_in.user.id, session: Some(session) };
            facts.span.record("principal", tracing::field::display(user));
            Ok(Data(*signed_in))
        }
        Renewal::Refused => Err(REFUSED),
    }
}

async fn logout(caller: Caller, State(app): State<App>) -> Result<Reply> {
    let session = caller.session()?;
    let mut tx = app.begin(&caller).await?;
    let ended = super::log_out(&mut tx, session).await;
    app.commit(&caller, tx, ended.map(|()| NoContent)).await
}

async fn logout_all(caller: Caller, State(app): State<App>) -> Result<Reply> {
    let (user, _) = caller.user()?;
    let mut tx = app.begin(&caller).await?;
    let ended = super::log_out_everywhere(&mut tx, user).await;
    app.commit(&caller, tx, ended.map(|()| NoContent)).await
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Session>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let user = caller.user()?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, user, query).await;
    tx.finish(page).await
}

async fn remove(caller: Caller, State(app): State<App>, Id(id): Id<SessionId>) -> Result<Reply> {
    let (user, _) = caller.user()?;
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, user, id).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}
