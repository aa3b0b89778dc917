//! `api admin user`.

use clap::{Args, Subcommand};
use shared::id::{TenantId, UserId};
use shared::scope::Role;

use crate::commands::CommandResult;
use crate::commands::front::{Front, told};
use crate::commands::out::{Column, Out};
use crate::http::json::Value;
use crate::http::rules::{self, Rule as _};
use crate::users::{self, UserPatch};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("E-MAIL", "/email"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("ACTIVE", "/active"),
    ("CREATED", "/createdAt"),
];

/// What is done with users.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Create a user
    #[command(
        after_help = "Example:\n  api admin user create --tenant $TENANT --email ada@acme.example --name Ada --role member"
    )]
    Create(NewUser),
    /// List the users, the oldest first
    #[command(after_help = "Example:\n  api admin user list --tenant $TENANT --json")]
    List {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        #[command(flatten)]
        out: Out,
    },
    /// Show a user
    #[command(after_help = "Example:\n  api admin user show --tenant $TENANT --user $USER")]
    Show(One),
    /// Give a user another role; it counts from the next request on
    #[command(
        after_help = "Example:\n  api admin user role --tenant $TENANT --user $USER --role admin"
    )]
    Role {
        #[command(flatten)]
        one: One,
        /// owner, admin, member or `read_only`
        #[arg(long)]
        role: Role,
    },
    /// End all that a user may do, its sessions included; API keys that it made work on
    #[command(after_help = "Example:\n  api admin user deactivate --tenant $TENANT --user $USER")]
    Deactivate(One),
    /// Let a user in again
    #[command(after_help = "Example:\n  api admin user activate --tenant $TENANT --user $USER")]
    Activate(One),
}

/// One user.
#[derive(Args)]
pub(crate) struct One {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// The user's id
    #[arg(long)]
    user: UserId,
    #[command(flatten)]
    out: Out,
}

/// What a user is created from.
#[derive(Args)]
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
    #[command(flatten)]
    out: Out,
}

pub(super) async fn run(command: User) -> CommandResult {
    match command {
        User::Create(new) => create(new).await,
        User::List { tenant, out } => {
            let users = Front::open(tenant).await?.all("/api/v1/users").await?;
            out.list(&users, COLUMNS)
        }
        User::Show(one) => {
            let path = format!("/api/v1/users/{}", one.user);
            let user = Front::open(one.tenant).await?.get(&path).await?;
            one.out.list_one(user, COLUMNS)
        }
        User::Role { one, role } => {
            change(one, UserPatch { role: Some(role), ..UserPatch::default() }).await
        }
        User::Deactivate(one) => {
            change(one, UserPatch { active: Some(false), ..UserPatch::default() }).await
        }
        User::Activate(one) => {
            change(one, UserPatch { active: Some(true), ..UserPatch::default() }).await
        }
    }
}

async fn create(new: NewUser) -> CommandResult {
    let email = rules::email()
        .check(Value::String(new.email))
        .map_err(|fault| format!("--email: {fault}"))?;
    let name = new.name.unwrap_or_else(|| email.clone());
    // An address may be longer than a name that is typed.
    let name =
        rules::line(254).check(Value::String(name)).map_err(|fault| format!("--name: {fault}"))?;
    let front = Front::open(new.tenant).await?;
    let mut tx = front.begin().await?;
    let user = users::create(&mut tx, email, name, new.role).await;
    let user = tx.finish(user).await.map_err(|error| told(&error))?;
    new.out.list_one(serde_json::to_value(user)?, COLUMNS)
}

async fn change(one: One, patch: UserPatch) -> CommandResult {
    let front = Front::open(one.tenant).await?;
    let mut tx = front.begin().await?;
    let user = users::update(&mut tx, one.user, patch).await;
    let user = tx.finish(user).await.map_err(|error| told(&error))?;
    one.out.list_one(serde_json::to_value(user)?, COLUMNS)
}
