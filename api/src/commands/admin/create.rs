//! `api admin tenant create`.

use serde::Serialize;
use shared::db::check::{self, Process};
use shared::id::{TenantId, UserId};
use shared::scope::Role;
use shared::{Clock, Db};

use crate::commands::CommandResult;
use crate::commands::out::say;
use crate::config::Config;
use crate::http::json::Value;
use crate::http::rules::{self, Rule as _};
use crate::tenants;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    tenant: Tenant<'a>,
    user: User<'a>,
    api_key: &'a str,
}

#[derive(Serialize)]
struct Tenant<'a> {
    id: TenantId,
    name: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    id: UserId,
    email: &'a str,
    role: &'static str,
}

/// Creates a tenant, its owner and a key with every scope, and prints them; with users for demo login, if it has a
/// name there.
pub(crate) async fn create(
    config: Config,
    name: &str,
    owner_email: &str,
    demo: Option<&str>,
    json: bool,
) -> CommandResult {
    let name = rules::line(100)
        .check(Value::String(name.to_owned()))
        .map_err(|fault| format!("--name: {fault}"))?;
    let email = rules::email()
        .check(Value::String(owner_email.to_owned()))
        .map_err(|fault| format!("--owner-email: {fault}"))?;
    let is_label = |demo: &str| {
        let plain = demo.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        plain && (1..=40).contains(&demo.len())
    };
    if demo.is_some_and(|demo| !is_label(demo)) {
        return Err("--demo: write 1 to 40 small letters and digits".into());
    }
    check::require(&config.db.url, Process::Api).await?;
    let db = Db::new(&config.db, Clock::system());
    let made = tenants::create(&db, &config.pepper, &name, &email, demo).await?;
    let tenants::Created { tenant, owner, api_key } = made;

    let created = Created {
        tenant: Tenant { id: tenant, name: &name },
        user: User { id: owner, email: &email, role: Role::Owner.as_str() },
        api_key: api_key.expose(),
    };
    if json {
        return say(&serde_json::to_string(&created)?);
    }
    say(&format!("tenant   {tenant}  {name}"))?;
    say(&format!("owner    {owner}  {email}"))?;
    say(&format!("API key  {}", created.api_key))?;
    say("The key is not shown again.")
}
