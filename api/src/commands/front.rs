//! `api admin` as another caller of the routes, inside this process: rules, audit log, events and JSON are the API's
//! own, and the audit log says `system`, with a request id that begins with `admin-`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use shared::db::Origin;
use shared::db::check::{self, Process};
use shared::id::{self, TenantId};
use shared::{Clock, Db, TenantTx};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::CommandResult;
use crate::auth::Operator;
use crate::config::Config;
use crate::error::{BoxError, Error};
use crate::limit::LimitConfig;
use crate::{App, http as routes, users};

/// The routes, called for one tenant.
pub(crate) struct Front {
    db: Db,
    router: Router,
    tenant: TenantId,
}

impl Front {
    /// Of the configured database.
    ///
    /// # Errors
    /// A bad configuration, a database that the api would not serve, no such tenant.
    pub(crate) async fn open(tenant: TenantId) -> CommandResult<Self> {
        let mut config = Config::from_env()?;
        check::require(&config.db.url, Process::Api).await?;
        config.limits = LimitConfig::off();
        let db = Db::new(&config.db, Clock::system());
        // The outside issuer is nobody's business here.
        config.oidc = None;
        let app = App::new(db.clone(), config, CancellationToken::new())?;
        let front = Self { db, router: routes::app(app), tenant };
        let mut tx = front.begin().await?;
        let known = users::tenant_exists(&mut tx).await;
        match tx.finish(known).await {
            Ok(true) => Ok(front),
            Ok(false) => Err("no such tenant".into()),
            Err(error) => Err(told(&error)),
        }
    }

    /// A transaction of the tenant's, for what no route does.
    pub(crate) async fn begin(&self) -> sqlx::Result<TenantTx> {
        self.db.tenant(self.tenant, origin()).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> CommandResult<Value> {
        Ok(self.answer(Method::GET, path, None).await?["data"].take())
    }

    /// `POST`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> CommandResult<Value> {
        Ok(self.answer(Method::POST, path, Some(body)).await?["data"].take())
    }

    /// `PATCH`.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> CommandResult<Value> {
        Ok(self.answer(Method::PATCH, path, Some(body)).await?["data"].take())
    }

    /// `DELETE`.
    pub(crate) async fn delete(&self, path: &str) -> CommandResult {
        self.answer(Method::DELETE, path, None).await.map(|_| ())
    }

    /// Every record of a list, page by page.
    pub(crate) async fn all(&self, path: &str) -> CommandResult<Vec<Value>> {
        let (mut records, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}?pageSize=100&sort=createdAt{cursor}");
            let mut answer = self.answer(Method::GET, &page, None).await?;
            if let Value::Array(items) = answer["data"].take() {
                records.extend(items);
            }
            match answer.pointer("/pagination/nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(records),
            }
        }
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> CommandResult<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-request-id", origin().request_id.unwrap_or_default())
            .header(header::CONTENT_TYPE, "application/json")
            .extension(Operator(self.tenant))
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let response = self.router.clone().oneshot(request).await?;
        if let Some(error) = response.extensions().get::<Arc<Error>>() {
            return Err(told(error));
        }
        let bytes = response.into_body().collect().await?.to_bytes();
        if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
    }
}

/// What the audit log remembers of an operator.
fn origin() -> Origin {
    let request = format!("admin-{}", id::fresh(Clock::system().now()));
    Origin { request_id: Some(request), ..Origin::default() }
}

/// An error with its causes, which an operator may see, and with what is wrong with each field.
pub(crate) fn told(error: &Error) -> BoxError {
    let faults = error.details().unwrap_or_default().into_iter();
    let faults = faults.map(|(name, fault)| format!("\n  - {name}: {fault}"));
    (error.chain() + &faults.collect::<String>()).into()
}
