//! Demo login over HTTP, on the path of requirement A-5 and on one like all others.

use axum::Extension;
use axum::extract::State;

use super::DemoLogin;
use crate::App;
use crate::auth::Principal;
use crate::auth::sessions::{Client, SignedIn};
use crate::error::{Error, Result};
use crate::http::doc::Doc;
use crate::http::routes::{Class, Routes};
use crate::http::{Data, OptionalBody, RequestFacts};

/// The two paths.
pub fn routes() -> Routes {
    let doc = Doc::data::<SignedIn>("demoLogin", "Sign in to a demo tenant, where that is on")
        .optional_body::<DemoLogin>()
        .refuses(&[404]);
    let literal = doc.clone().named_after("demoLogin", "demoLoginUnversioned");
    Routes::under("/api", "Signing in")
        .public_post("/v1/auth/demo-login", Class::Login, log_in, doc)
        .public_post("/auth/demo-login", Class::Login, log_in, literal)
}

async fn log_in(
    State(app): State<App>,
    Extension(facts): Extension<RequestFacts>,
    client: Client,
    body: Result<OptionalBody<DemoLogin>>,
) -> Result<Data<SignedIn>> {
    // Switched off, it is as if it were not there, whatever the body.
    if !app.config.demo_login {
        return Err(Error::NoRoute);
    }
    let OptionalBody(demo) = body?;
    let tenant = super::tenant(&app.db, &demo.tenant).await?;
    let identity = format!("demo {tenant} {}", demo.role.as_str());
    facts.heed(app.limits.take(Class::Login, &identity).await?);
    facts.span.record("tenant_id", tracing::field::display(tenant));
    let mut tx = app.db.tenant(tenant, facts.origin()).await?;
    let signed_in = super::log_in(&mut tx, &app.config.tokens, demo.role, client).await;
    let signed_in = tx.finish(signed_in).await?;
    let user = Principal::User { id: signed_in.user.id, session: Some(signed_in.session.id) };
    facts.span.record("principal", tracing::field::display(user));
    Ok(Data(signed_in))
}
