//! What a worker measures; docs/observability.md says how to read it.

use shared::telemetry::metrics::Kind::{Counter, Gauge, Histogram, UpDown};
use shared::telemetry::metrics::Metric;

/// Every metric of a worker, besides those that both programs have.
pub const METRICS: &[Metric] = &[
    Metric("outbox_relayed_total", Counter(&[]), "Events taken from the outbox."),
    Metric("outbox_oldest_seconds", Gauge, "Age of the oldest event that is not relayed."),
    Metric(
        "outbox_measured_timestamp_seconds",
        Gauge,
        "When this worker last could say that age, or began, in seconds since 1970.",
    ),
    Metric("webhook_deliveries_created_total", Counter(&[]), "Deliveries written by the relay."),
    Metric("webhook_filtered_total", Counter(&[]), "Times that a filter did not pass an event."),
    Metric("webhook_deliveries_due", Gauge, "Deliveries that are due and not under way."),
    Metric("webhook_deliveries_in_line", Gauge, "Deliveries behind another of their record."),
    Metric(
        "webhook_shelf_moves_total",
        Counter(&[("to", &["shelf", "queue"])]),
        "Deliveries of webhooks that are off, put out of the claims' way, and back.",
    ),
    Metric("webhook_oldest_due_seconds", Gauge, "How long the oldest due delivery has waited."),
    Metric("webhook_claims_total", Counter(&[]), "Deliveries claimed."),
    Metric(
        "webhook_leases_expired_total",
        Counter(&[]),
        "Of these, such whose former claim ended without an outcome.",
    ),
    Metric(
        "webhook_attempts_total",
        Counter(&[("outcome", &["retry", "failed"]), ("error", OUR_FAULTS)]),
        "Attempts by their outcome and error code.",
    ),
    Metric(
        "webhook_deliveries_total",
        Counter(&[("outcome", &["delivered", "failed", "skipped"])]),
        "Deliveries that ended.",
    ),
    Metric(
        "webhook_deliveries_expired_total",
        Counter(&[]),
        "Of these, such that were held until their time was over.",
    ),
    Metric("webhook_request_duration_seconds", Histogram, "One request, body included."),
    Metric(
        "webhook_delivery_latency_seconds",
        Histogram,
        "From a change to the head of the first answer, first attempts that nothing held only.",
    ),
    Metric("webhook_requests_in_flight", Gauge, "Places taken in this worker."),
    Metric("webhook_places", Gauge, "Places that this worker has."),
    Metric(
        "webhook_connections_total",
        Counter(&[("reused", &["true", "false"])]),
        "Requests by whether their connection had been used before.",
    ),
    Metric(
        "webhook_sent_again_total",
        Counter(&[]),
        "Times that a request was sent again at once, because its receiver had not looked at it.",
    ),
    Metric("webhook_slowdowns_total", Counter(&[]), "Times that a receiver was called less."),
    Metric("webhook_receivers_slowed", Gauge, "Webhooks that this worker holds back now."),
    Metric("webhook_outcomes_fenced_total", Counter(&[]), "Outcomes that came after their lease."),
    Metric(
        "webhook_health_changes_total",
        Counter(&[("to", &["healthy", "failing", "disabled"])]),
        "Changes of webhooks' health.",
    ),
    Metric("webhooks_unhealthy", Gauge, "Webhooks that fail or were switched off for it."),
    Metric(
        "tenants_newly_failing",
        Gauge,
        "Tenants of which a webhook has begun to fail within a quarter of an hour, and still does.",
    ),
    Metric("webhook_replays_running", Gauge, "Replays that go on."),
    Metric("webhook_replays_remaining", Gauge, "Deliveries that they have before them."),
    Metric(
        "webhook_replayed_total",
        Counter(&[("trigger", &["replay", "redrive"])]),
        "Deliveries that replays have begun to send again.",
    ),
    Metric("webhook_probes_total", Counter(&[]), "Parked failures sent to try a receiver."),
    Metric("queue_redis_up", Gauge, "1 while deliveries go through Redis, 0 while it is away."),
    Metric("queue_redis_errors_total", Counter(&[]), "Times that Redis was lost or not found."),
    Metric("queue_tokens_offered_total", Counter(&[]), "Claims made for whoever takes them."),
    Metric("queue_tokens_taken_total", Counter(&[]), "Tokens that this worker has taken."),
    Metric("queue_tokens_stale_total", Counter(&[]), "Of these, such that came to nothing."),
    Metric("queue_tokens_waiting", Gauge, "Tokens that nobody has taken yet."),
    Metric("imports_pending", Gauge, "Imports that have batches before them."),
    Metric("imports_stalled_seconds", Gauge, "How long the import that waits longest has stood."),
    Metric("imports_running", UpDown, "Batches under way in this worker."),
    Metric("import_rows_remaining", Gauge, "Rows that pending imports have before them."),
    Metric(
        "import_rows_total",
        Counter(&[("outcome", &["created", "updated", "skipped", "failed", "undone"])]),
        "Rows of imports applied by this worker.",
    ),
    Metric(
        "imports_failed_total",
        Counter(&[("why", &["fault", "abandoned"])]),
        "Imports that this worker has ended through no fault of theirs.",
    ),
    Metric("import_batch_seconds", Histogram, "One batch of an import."),
    Metric("erasures_pending", Gauge, "Erasures that are not completed."),
    Metric("erasures_oldest_seconds", Gauge, "Since when the oldest of them waits."),
    Metric("erasures_finished_total", Counter(&[]), "Erasures that this worker completed."),
    Metric(
        "event_log_until_timestamp_seconds",
        Gauge,
        "When the days that have partitions end, in seconds since 1970.",
    ),
    Metric(
        "event_log_kept_timestamp_seconds",
        Gauge,
        "When this worker last kept the event log with nothing in the way, or began, in seconds since 1970.",
    ),
    Metric(
        "housekeeping_timestamp_seconds",
        Gauge,
        "When this worker last did all of its housekeeping, or began, in seconds since 1970.",
    ),
    Metric("worker_hears_events", Gauge, "1 while this worker hears of events at once, else 0."),
    Metric(
        "worker_database_errors_total",
        Counter(&[("doing", DOING)]),
        "Database errors that are being waited out.",
    ),
];

/// Error codes that are no receiver's fault, each worth an alert at its first time.
const OUR_FAULTS: &[&str] =
    &["secret_unreadable", "delivery_abandoned", "request_failed", "proxy_failed"];

const DOING: &[&str] = &[
    "relaying",
    "claiming",
    "loading",
    "recording",
    "judging",
    "importing",
    "replaying",
    "erasing",
    "shelving",
];
