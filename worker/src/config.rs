//! The worker's settings, from the environment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::RedisUrl;
use shared::db::WORKER_CONNECTIONS;
use shared::db::{DatabaseUrl, DbConfig};
use shared::seal::Keyring;
use shared::settings::{Count, Faults, PositiveDuration, Settings, Value};
use shared::telemetry::TelemetryConfig;
use shared::webhook::target::TargetPolicy;

use crate::client::{Egress, Limits, Lookup, Proxy, Roots};
use crate::queue::Caps;

/// Every statement of the worker goes by an index. A planner that believes old statistics of a queue, which is empty
/// one moment and long the next, would read whole tables.
const PLANNER: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    // The relay's statement takes longer to plan than to run.
    ("plan_cache_mode", "force_generic_plan"),
];

/// Everything a worker needs.
#[derive(Debug)]
pub struct Config {
    /// Where operators look.
    pub admin_listen: SocketAddr,
    /// The database, as `crm_worker`.
    pub db: DbConfig,
    /// Past the pooler in front of it, where there is one.
    pub direct: Option<DatabaseUrl>,
    /// Opens webhook secrets.
    pub keyring: Keyring,
    /// Where webhooks may point.
    pub targets: Arc<TargetPolicy>,
    /// How much is sent at once.
    pub caps: Caps,
    /// Waits between attempts; one attempt more than waits.
    pub schedule: Arc<[Duration]>,
    /// Bounds of one request.
    pub limits: Limits,
    /// Names, proxy and trust.
    pub way: Egress,
    /// How deliveries reach the workers.
    pub queue: Queue,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// How deliveries reach the workers.
#[derive(Clone, Debug)]
pub enum Queue {
    /// Each worker claims for itself.
    Postgres,
    /// One claims for all, and offers them there.
    Redis(RedisUrl),
}

/// `QUEUE`.
enum QueueKind {
    Postgres,
    Redis,
}

impl Value for QueueKind {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "postgres" => Ok(Self::Postgres),
            "redis" => Ok(Self::Redis),
            _ => Err("write postgres or redis".into()),
        }
    }
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All missing and bad variables at once.
    pub fn from_env() -> Result<Self, Faults> {
        Self::from_settings(Settings::from_env())
    }

    /// Reads any source of variables.
    ///
    /// # Errors
    /// All missing and bad variables at once.
    pub fn from_settings(mut settings: Settings<'_>) -> Result<Self, Faults> {
        let config = Self::read(&mut settings);
        settings.finish(config)
    }

    /// Every variable with its default, for `--help`.
    #[must_use]
    pub fn help() -> String {
        let mut settings = Settings::new(|_| None);
        let _ = Self::read(&mut settings);
        settings.help().to_owned()
    }

    /// `ADMIN_LISTEN` alone.
    pub fn admin_listen(settings: &mut Settings<'_>) -> Option<SocketAddr> {
        settings.default(
            "ADMIN_LISTEN",
            "127.0.0.1:9091",
            "Where /healthz, /readyz and /metrics are",
        )
    }

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let admin_listen = Self::admin_listen(settings);
        let url = settings.required(
            "DATABASE_URL",
            "The database, as crm_worker: postgres://crm_worker:…@host/database",
        );
        let direct: Option<Option<DatabaseUrl>> = settings.optional(
            "DIRECT_DATABASE_URL",
            "Past a pooler that DATABASE_URL leads through: where the worker listens for new events",
        );
        let keyring =
            settings.required("SECRET_KEYS", "Opens webhook secrets: the same value as the api's");
        let total: Option<Count> =
            settings.default("WORKER_CONCURRENCY", "256", "Requests under way at once");
        let per_webhook: Option<Count> = settings.default(
            "WEBHOOK_MAX_IN_FLIGHT",
            "32",
            "Of these, to one webhook (per worker)",
        );
        let per_tenant: Option<Count> = settings.default(
            "WEBHOOK_TENANT_MAX_IN_FLIGHT",
            "64",
            "Of these, to all webhooks of one tenant (per worker)",
        );
        let schedule: Option<Vec<Duration>> = settings.default(
            "WEBHOOK_RETRY_SCHEDULE",
            "2m,4m,8m,16m",
            "Waits between attempts; one attempt more than waits",
        );
        let timeout: Option<PositiveDuration> = settings.default(
            "WEBHOOK_TIMEOUT",
            "30s",
            "For a whole request: DNS, connect, TLS, head and body",
        );
        let way = way_out(settings);
        let targets = TargetPolicy::read(settings);
        let queue = queue(settings);
        let telemetry = TelemetryConfig::read(settings);
        let total_timeout = timeout?.0;
        Some(Self {
            admin_listen: admin_listen?,
            db: DbConfig {
                url: url?,
                connections: WORKER_CONNECTIONS,
                application: "liaison-worker",
                settings: PLANNER,
            },
            direct: direct?,
            keyring: keyring?,
            caps: Caps { total: total?.0, per_webhook: per_webhook?.0, per_tenant: per_tenant?.0 },
            schedule: schedule?.into(),
            limits: Limits {
                total: total_timeout,
                connect: Limits::default().connect.min(total_timeout),
                ..Limits::default()
            },
            way: way?,
            targets: Arc::new(targets?),
            queue: queue?,
            telemetry: telemetry?,
        })
    }
}

fn queue(settings: &mut Settings<'_>) -> Option<Queue> {
    let word = settings.default(
        "QUEUE",
        "postgres",
        "How deliveries reach the workers: postgres, or redis, where workers share claims and caps",
    );
    let url: Option<Option<RedisUrl>> = settings.optional(
        "REDIS_URL",
        "redis://[:password@]host[:port][/database]; required with QUEUE=redis, unused without",
    );
    match (word?, url?) {
        (QueueKind::Postgres, _) => Some(Queue::Postgres),
        (QueueKind::Redis, Some(url)) => Some(Queue::Redis(url)),
        (QueueKind::Redis, None) => {
            settings.fault(
                "REDIS_URL is not set, and QUEUE is redis: \
                 write redis://[:password@]host[:port][/database]",
            );
            None
        }
    }
}

fn way_out(settings: &mut Settings<'_>) -> Option<Egress> {
    let proxy: Option<Option<Proxy>> = settings.optional(
        "WEBHOOK_PROXY",
        "All requests go through this proxy: http://host:port or http://user:password@host:port",
    );
    let roots: Option<Option<Roots>> = settings.optional(
        "WEBHOOK_CA_FILE",
        "Certificates (PEM) that are trusted beside the system's, for receivers of a private authority",
    );
    let (proxy, roots) = (proxy?, roots?.unwrap_or_default());
    Some(Egress { lookup: Lookup::system(), proxy, roots })
}
