//! The events a tenant can hear of, and how a webhook names them.

crate::words! {
    /// What happened (requirements E-1 to E-12), and the extensions (requirement E-13).
    pub enum EventType {
        ContactCreated = "contact.created",
        ContactUpdated = "contact.updated",
        ContactDeleted = "contact.deleted",
        CompanyCreated = "company.created",
        CompanyUpdated = "company.updated",
        CompanyDeleted = "company.deleted",
        LeadCreated = "lead.created",
        LeadUpdated = "lead.updated",
        LeadDeleted = "lead.deleted",
        PipelineStageUpdated = "pipeline.stage.updated",
        LeadMovedToStage = "lead.moved_to_stage",
        TenantSettingsUpdated = "tenant.settings.updated",
        ActivityCreated = "activity.created",
        WebhookFailing = "webhook.failing",
        WebhookRecovered = "webhook.recovered",
        WebhookDisabled = "webhook.disabled",
        ContactErased = "contact.erased",
        PipelineCreated = "pipeline.created",
        PipelineUpdated = "pipeline.updated",
        PipelineDeleted = "pipeline.deleted",
    }
}

/// Events beyond the documented twelve. They are opt-in: a webhook hears of them by name or by family, not by `*`,
/// so that one that asked for everything is not told more than it was promised.
pub const EXTENSIONS: &[EventType] = &[
    EventType::ActivityCreated,
    EventType::WebhookFailing,
    EventType::WebhookRecovered,
    EventType::WebhookDisabled,
    EventType::ContactErased,
    EventType::PipelineCreated,
    EventType::PipelineUpdated,
    EventType::PipelineDeleted,
];

/// The names of the [`EXTENSIONS`], for statements that ask what `*` does not stand for.
#[must_use]
pub fn extensions() -> Vec<String> {
    EXTENSIONS.iter().map(|event| event.as_str().to_owned()).collect()
}

/// What `*` stands for: the documented twelve.
pub fn promised() -> impl Iterator<Item = &'static str> {
    let events = EventType::ALL.iter().filter(|event| !EXTENSIONS.contains(event));
    events.map(|event| event.as_str())
}

/// Webhooks that an event in the log remembers at most: of those that do not want it, and of those whose filter it did
/// not pass.
pub const REMEMBERED: i32 = 100;

/// The events that a name, a family such as `contact.*`, or `*` stands for.
pub fn matching(pattern: &str) -> impl Iterator<Item = EventType> {
    let stands = move |event: &EventType| match pattern.strip_suffix('*') {
        Some("") => !EXTENSIONS.contains(event),
        Some(family) => event.as_str().starts_with(family),
        None => event.as_str() == pattern,
    };
    EventType::ALL.iter().copied().filter(stands)
}

/// Whether `text` can stand in a webhook's `events`: an event, `*`, or a family such as `contact.*`.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text == "*"
        || EventType::ALL.iter().any(|event| {
            event.as_str() == text
                || text.strip_suffix(".*").is_some_and(|family| family == family_of(*event))
        })
}

/// Everything [`is_pattern`] accepts, for error messages and documentation.
#[must_use]
pub fn patterns() -> Vec<String> {
    let mut all: Vec<String> =
        EventType::ALL.iter().map(|event| event.as_str().to_owned()).collect();
    all.push("*".to_owned());
    for event in EventType::ALL {
        let family = format!("{}.*", family_of(*event));
        if !all.contains(&family) {
            all.push(family);
        }
    }
    all
}

/// The part before the first full stop, as the relay's SQL cuts it too.
fn family_of(event: EventType) -> &'static str {
    event.as_str().split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_may_name_events_families_and_everything_but_nothing_unknown() {
        for good in [
            "contact.created",
            "pipeline.stage.updated",
            "pipeline.*",
            "lead.*",
            "tenant.*",
            "activity.*",
            "webhook.*",
            "*",
        ] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in [
            "",
            ".*",
            "contact",
            "contact.",
            "contact.*.*",
            "c*",
            "contact.exploded",
            "pipeline.stage.*",
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
        assert!(patterns().iter().all(|pattern| is_pattern(pattern)));
    }
}
