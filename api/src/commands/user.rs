//! `api admin user create`.

use shared::db::Origin;
use shared::db::check::{self, Process};
use shared::id::TenantId;
use shared::scope::Role;
use shared::{Clock, Db};

use super::{CommandResult, say};
use crate::config::Config;
use crate::http::json::Value;
use crate::http::rules::{self, Rule as _};
use crate::users;

/// What a user is created from.
#[derive(clap::Args)]
pub(crate) struct NewUser {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// The user's e-mail address
    #[arg(long)]
    email: String,
    /// The user's name; the e-mail address when absent
    #[arg(long)]
    name: Option<String>,
    /// What the user may do: owner, admin, member or `read_only`
    #[arg(long)]
    role: Role,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Creates a user and prints it.
pub(crate) async fn create(config: Config, new: NewUser) -> CommandResult {
    let email = rules::email()
        .check(Value::String(new.email))
        .map_err(|fault| format!("--email: {fault}"))?;
    let name = new.name.unwrap_or_else(|| email.clone());
    // An address may be longer than a name that is typed.
    let name =
        rules::line(254).check(Value::String(name)).map_err(|fault| format!("--name: {fault}"))?;
    check::require(&config.db.url, Process::Api).await?;
    let db = Db::new(&config.db, Clock::system());
    let mut tx = db.tenant(new.tenant, Origin::default()).await?;
    if !users::tenant_exists(&mut tx).await? {
        return Err("--tenant: no such tenant".into());
    }
    let user = users::create(&mut tx, email, name, new.role).await;
    let user = tx.finish(user).await?;
    if new.json {
        say(&serde_json::to_string(&user)?)
    } else {
        say(&format!("{}  {}  {}", user.id, user.role, user.email))
    }
}
