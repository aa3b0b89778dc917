//! `api admin webhook`.

use clap::{Args, Subcommand};
use serde_json::json;
use shared::id::{TenantId, WebhookId};

use crate::commands::CommandResult;
use crate::commands::front::Front;
use crate::commands::out::{Column, Out, without_null};

const PATH: &str = "/api/v1/webhooks";

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("URL", "/url"),
    ("ACTIVE", "/active"),
    ("HEALTH", "/health"),
    ("FAILURES", "/failureStreak"),
    ("LAST SUCCESS", "/lastSuccessAt"),
    ("EVENTS", "/events"),
];

const HEALTH: &[Column] = &[
    ("health", "/health"),
    ("active", "/active"),
    ("switched off for", "/disabledReason"),
    ("failures in a row", "/failureStreak"),
    ("failing since", "/failingSince"),
    ("last success", "/lastSuccessAt"),
    ("last failure", "/lastFailureAt"),
    ("last error", "/lastError"),
    ("pending", "/pending/count"),
    ("oldest pending, seconds", "/pending/oldestAgeSeconds"),
    ("failed", "/failed/count"),
    ("last hour, attempts", "/lastHour/attempts"),
    ("last hour, accepted", "/lastHour/accepted"),
    ("last hour, p95 ms", "/lastHour/timeToDeliver/p95Ms"),
    ("last day, attempts", "/last24Hours/attempts"),
    ("last day, accepted", "/last24Hours/accepted"),
];

const TEST: &[Column] = &[("delivery", "/id"), ("event", "/event"), ("status", "/status")];

/// What is done with webhooks.
#[derive(Subcommand)]
pub(crate) enum Webhook {
    /// List the webhooks, the oldest first
    #[command(after_help = "Example:\n  api admin webhook list --tenant $TENANT --unhealthy")]
    List {
        /// The tenant's id
        #[arg(long)]
        tenant: TenantId,
        /// Only those that are failing or switched off for it
        #[arg(long)]
        unhealthy: bool,
        #[command(flatten)]
        out: Out,
    },
    /// Show how a webhook is doing
    #[command(
        after_help = "Example:\n  api admin webhook show --tenant $TENANT --webhook $WEBHOOK"
    )]
    Show(One),
    /// Switch a webhook on: pending deliveries go out, and it is healthy until it fails anew
    #[command(
        after_help = "Example:\n  api admin webhook enable --tenant $TENANT --webhook $WEBHOOK"
    )]
    Enable(One),
    /// Switch a webhook off: pending deliveries are held, new events are skipped
    #[command(
        after_help = "Example:\n  api admin webhook disable --tenant $TENANT --webhook $WEBHOOK"
    )]
    Disable(One),
    /// Send a test event
    #[command(
        after_help = "Example:\n  api admin webhook test --tenant $TENANT --webhook $WEBHOOK --event contact.created"
    )]
    Test {
        #[command(flatten)]
        one: One,
        /// An event; the first that the webhook listens for without
        #[arg(long)]
        event: Option<String>,
    },
}

/// One webhook.
#[derive(Args)]
pub(crate) struct One {
    /// The tenant's id
    #[arg(long)]
    tenant: TenantId,
    /// The webhook's id
    #[arg(long)]
    webhook: WebhookId,
    #[command(flatten)]
    pub(super) out: Out,
}

impl One {
    /// The routes, and the webhook's path.
    pub(super) async fn open(&self) -> CommandResult<(Front, String)> {
        Ok((Front::open(self.tenant).await?, format!("{PATH}/{}", self.webhook)))
    }
}

pub(super) async fn run(command: Webhook) -> CommandResult {
    match command {
        Webhook::List { tenant, unhealthy, out } => {
            let mut webhooks = Front::open(tenant).await?.all(PATH).await?;
            webhooks.retain(|webhook| !unhealthy || webhook["health"] != "healthy");
            out.list(&webhooks, COLUMNS)
        }
        Webhook::Show(one) => {
            let (front, path) = one.open().await?;
            one.out.record(&front.get(&format!("{path}/health")).await?, HEALTH)
        }
        Webhook::Enable(one) => switch(one, true).await,
        Webhook::Disable(one) => switch(one, false).await,
        Webhook::Test { one, event } => {
            let (front, path) = one.open().await?;
            let body = without_null(json!({"event": event}));
            one.out.record(&front.post(&format!("{path}/test"), body).await?, TEST)
        }
    }
}

async fn switch(one: One, active: bool) -> CommandResult {
    let (front, path) = one.open().await?;
    one.out.list_one(front.patch(&path, json!({"active": active})).await?, COLUMNS)
}
