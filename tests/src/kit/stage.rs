//! The whole product as processes on a cluster of its own, every part of which can be crashed.

use api::auth::api_key::Pepper;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::db::DbConfig;
use shared::db::migrate::migrate;
use shared::settings::Value as Parse;
use shared::{Clock, Db};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::config::PEPPER;
use super::{Hold, PATIENCE, Program, Receiver, WEBHOOKS};
use crate::servers::{Options, Postgres};

/// A cluster, an api, a worker, a tenant, and a receiver that hears of everything.
pub struct Stage {
    // The order matters: the programs end before their database.
    /// The api.
    pub api: Program,
    /// The worker.
    pub worker: Program,
    /// The cluster.
    pub postgres: Postgres,
    /// Where every event of the tenant arrives.
    pub receiver: Receiver,
    /// The secret of the webhook that points there.
    pub secret: String,
    /// The tenant.
    pub caller: Caller,
    admin: PgPool,
}

/// A tenant whose api may be away.
#[derive(Clone)]
pub struct Caller {
    /// The tenant's first key.
    pub api_key: String,
    base: String,
    http: reqwest::Client,
}

impl Stage {
    /// Starts everything; the variables are for both programs.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let postgres = Postgres::start(Options::DURABLE).await.unwrap();
        Self::on(postgres, "pg_default", variables).await
    }

    /// Starts everything on this cluster, the database in this tablespace.
    pub async fn on(postgres: Postgres, tablespace: &str, variables: &[(&str, &str)]) -> Self {
        let cluster =
            PgPoolOptions::new().max_connections(1).connect(&postgres.admin_url()).await.unwrap();
        let sql = format!("create database liaison tablespace {tablespace}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&cluster).await.unwrap();
        cluster.close().await;
        let admin_url = postgres.url("liaison", Postgres::SUPERUSER);
        migrate(&Parse::parse(&admin_url).unwrap()).await.unwrap();
        let admin = PgPoolOptions::new().max_connections(4).connect_lazy(&admin_url).unwrap();
        for role in ["crm_app", "crm_worker"] {
            let sql = format!("alter role {role} password '{}'", postgres.password());
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin).await.unwrap();
        }
        let (app_url, worker_url) =
            (postgres.url("liaison", "crm_app"), postgres.url("liaison", "crm_worker"));
        let api_key = tenant(&app_url).await;
        let (api, worker) = tokio::join!(
            Program::api(&app_url, variables),
            Program::worker(&worker_url, variables)
        );
        let http = reqwest::Client::builder().no_proxy().read_timeout(PATIENCE).build().unwrap();
        let caller = Caller { api_key, base: api.url(), http };
        let receiver = Receiver::start().await;
        let (status, webhook) =
            caller.post(WEBHOOKS, &json!({"url": receiver.url(), "events": ["*"]})).await.unwrap();
        assert_eq!(status, 201, "{webhook}");
        let secret = webhook["data"]["secret"].as_str().unwrap().to_owned();
        Self { api, worker, postgres, receiver, secret, caller, admin }
    }

    /// The superuser's view of the database, past every policy.
    #[must_use]
    pub fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// As [`Database::hold`](super::Database::hold).
    pub async fn hold(&self, sql: &str) -> Hold {
        Hold::of(&self.postgres.url("liaison", Postgres::SUPERUSER), sql).await
    }
}

impl Caller {
    /// The same tenant, by way of another address.
    #[must_use]
    pub fn at(&self, base: String) -> Self {
        Self { base, ..self.clone() }
    }

    /// A request to the api.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("x-api-key", &self.api_key)
    }

    /// `POST` with a JSON body: the answer's status and body, or an api that is not there.
    ///
    /// # Errors
    /// The connection's.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<(u16, Value)> {
        let answer = self.request(Method::POST, path).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

async fn tenant(app_url: &str) -> String {
    let config = DbConfig {
        url: Parse::parse(app_url).unwrap(),
        connections: 1,
        application: "liaison-test",
        settings: &[],
    };
    let db = Db::new(&config, Clock::system());
    let pepper: Pepper = Parse::parse(PEPPER).unwrap();
    let created =
        api::tenants::create(&db, &pepper, "acme", "owner@acme.example", None).await.unwrap();
    db.close().await;
    created.api_key.expose().clone()
}
