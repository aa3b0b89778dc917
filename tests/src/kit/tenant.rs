//! A caller of one tenant.

use std::net::Ipv4Addr;

use api::auth::api_key;
use api::auth::sessions::{self, Client, SignIn, Via};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use shared::db::Origin;
use shared::id::{ApiKeyId, TenantId, UserId};
use shared::scope::{Role, Scope};
use shared::{Clock, Db};
use sqlx::PgPool;

use super::{Answer, TestApp};

/// Who a request says it is from.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `X-API-Key`.
    ApiKey(String),
    /// `Authorization: Bearer`, with a key or an access token.
    Bearer(String),
}

/// A tenant as one of its callers sees it.
#[derive(Clone)]
pub struct Tenant {
    /// The tenant.
    pub id: TenantId,
    /// Its owner.
    pub owner: UserId,
    /// What its requests bring along.
    pub credential: Credential,
    base: String,
    http: reqwest::Client,
    admin: PgPool,
    api: api::App,
}

impl Tenant {
    pub(super) async fn create(app: &TestApp, name: &str) -> Self {
        let email = format!("owner@{}.example", name.to_lowercase());
        let created = api::tenants::create(&app.api.db, &app.api.config.pepper, name, &email, None)
            .await
            .unwrap();
        Self {
            id: created.tenant,
            owner: created.owner,
            credential: Credential::ApiKey(created.api_key.expose().clone()),
            base: app.url(""),
            http: app.http.clone(),
            admin: app.database.admin().clone(),
            api: app.api.clone(),
        }
    }

    /// The text of its credential.
    #[must_use]
    pub fn key(&self) -> &str {
        let (Credential::ApiKey(text) | Credential::Bearer(text)) = &self.credential;
        text
    }

    /// The same tenant, called with another credential.
    #[must_use]
    pub fn with(&self, credential: Credential) -> Self {
        Self { credential, ..self.clone() }
    }

    /// The same tenant, called through another api over the same database.
    #[must_use]
    pub fn through(&self, base: String) -> Self {
        Self { base, ..self.clone() }
    }

    /// The same tenant, called with a new key that may do only this.
    pub async fn with_scopes(&self, scopes: &[Scope]) -> Self {
        let now = self.api.db.clock().now();
        let key = api_key::generate();
        let names: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        sqlx::query(
            "insert into api_keys (tenant_id, id, name, prefix, hash, scopes, created_at, updated_at)
             values ($1, $2, 'Limited', $3, $4, $5, $6, $6)",
        )
        .bind(self.id.0)
        .bind(ApiKeyId::fresh(now).0)
        .bind(&key.prefix)
        .bind(self.api.config.pepper.hash(key.text.expose()))
        .bind(names)
        .bind(now)
        .execute(&self.admin)
        .await
        .unwrap();
        self.with(Credential::ApiKey(key.text.expose().clone()))
    }

    /// The same tenant, called by a new user with an access token.
    pub async fn with_role(&self, role: Role) -> Self {
        let user = self.user(role).await;
        self.as_user(user).await
    }

    /// The same tenant, called by a user of its own with an access token.
    pub async fn as_user(&self, user: UserId) -> Self {
        self.with(Credential::Bearer(self.token(user, self.api.db.clock().now()).await))
    }

    /// A new user.
    pub async fn user(&self, role: Role) -> UserId {
        let now = self.api.db.clock().now();
        let user = UserId::fresh(now);
        sqlx::query(
            "insert into users (tenant_id, id, email, name, role, created_at, updated_at)
             values ($1, $2, $3, 'Somebody', $4, $5, $5)",
        )
        .bind(self.id.0)
        .bind(user.0)
        .bind(format!("{user}@example.com"))
        .bind(role.as_str())
        .bind(now)
        .execute(&self.admin)
        .await
        .unwrap();
        user
    }

    /// The id of any of the tenant's rows in a table that are not deleted, if any can be.
    pub async fn any(&self, table: &str) -> uuid::Uuid {
        let sql = format!(
            "select id from {table} t where tenant_id = $1 and to_jsonb(t) ->> 'deleted_at' is null limit 1"
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(self.id.0)
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    /// An access token for a user of the tenant, of a session that begins then and lasts an hour.
    pub async fn token(&self, user: UserId, from: DateTime<Utc>) -> String {
        let clock = Clock::manual(from);
        let db = Db::new(&self.api.config.db, clock);
        let client = Client { user_agent: None, address: Ipv4Addr::LOCALHOST.into() };
        let sign_in =
            SignIn { user, via: Via::Admin, approved_by: None, device_name: None, client };
        let mut tx = db.tenant(self.id, Origin::default()).await.unwrap();
        let tokens = &self.api.config.tokens;
        let token = sessions::open_for(&mut tx, tokens, &sign_in, TimeDelta::hours(1)).await;
        let token = tx.finish(token).await.unwrap();
        db.close().await;
        token
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `POST` with a JSON body and an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        Answer::to(request.json(body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Any request.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        Answer::to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A request with the tenant's credential, for everything that [`Tenant::call`] does not do.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Credential::ApiKey(key) => request.header("x-api-key", key),
            Credential::Bearer(token) => request.bearer_auth(token),
        }
    }
}
