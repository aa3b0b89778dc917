//! `api admin token`.

use std::net::Ipv4Addr;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use shared::id::{TenantId, UserId};
use shared::settings::Value as _;

use crate::auth::sessions::{self, Client, SignIn, Via};
use crate::commands::CommandResult;
use crate::commands::front::{Front, told};
use crate::commands::out::say;
use crate::config::Config;
use crate::error::Error;

/// Whose, and for how long.
#[derive(Args)]
#[command(after_help = "Example:\n  api admin token --tenant $TENANT --user $USER --ttl 12h")]
pub(crate) struct Token {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// The user's id
    #[arg(long)]
    user: UserId,
    /// How long it is valid, such as 15m or 12h; 720h at most
    #[arg(long, default_value = "15m", value_parser = Duration::parse)]
    ttl: Duration,
}

/// Prints an access token for a user, with the user's own role, in a session of its own.
pub(super) async fn run(Token { tenant, user, ttl }: Token) -> CommandResult {
    let sign_in = SignIn {
        user,
        via: Via::Admin,
        approved_by: None,
        device_name: Some("api admin token".into()),
        client: Client { user_agent: None, address: Ipv4Addr::LOCALHOST.into() },
    };
    let ttl = TimeDelta::from_std(ttl).ok().filter(|ttl| *ttl <= sessions::ABSOLUTE);
    let ttl = ttl.ok_or("--ttl: write 720h at most, which is as long as any session lives")?;
    let keys = Config::from_env()?.tokens;
    let mut tx = Front::open(tenant).await?.begin().await?;
    let token = sessions::open_for(&mut tx, &keys, &sign_in, ttl).await;
    match tx.finish(token).await {
        Ok(token) => say(&token),
        Err(Error::NotFound(_)) => Err("no such active user in this tenant".into()),
        Err(error) => Err(told(&error)),
    }
}
