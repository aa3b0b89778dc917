//! What each event tells: the record that its `data` is, and what stands beside the record's members.

use serde_json::{Value, json};
use shared::event::EventType;
use shared::webhook::health::HealthChange;

use crate::crm::activities::Activity;
use crate::crm::companies::Company;
use crate::crm::contacts::{Contact, ErasedContact};
use crate::crm::leads::{Lead, Place};
use crate::crm::pipelines::{Pipeline, StageChange};
use crate::http::doc::SchemaOf;
use crate::settings::Settings;

/// What an event's `data` holds.
pub(crate) struct Payload {
    /// The record, or what happened.
    pub record: SchemaOf,
    /// Members besides those of the record.
    pub more: Vec<(&'static str, Member)>,
}

/// A member besides those of the record.
#[derive(Clone)]
pub(crate) enum Member {
    /// `true` with this meaning; else absent.
    Sign(&'static str),
    /// The former values of what changed, with an example.
    Previous(Value),
    /// Anything else, with an example.
    Plain(Value, Value),
    /// A record of its own.
    Record(SchemaOf),
    /// The same, or `null`.
    RecordOrNull(SchemaOf),
}

const RESTORED: (&str, Member) = ("restored", Member::Sign("It was deleted and came back."));

/// Of whatever tells of a person.
const ERASED: (&str, Member) =
    ("erased", Member::Sign("The contact was erased: nothing personal is left in here."));

/// What the event's `data` holds; kept true by a test that compares it with what is sent.
pub(crate) fn payload(event: EventType) -> Payload {
    use EventType as E;
    let (contact, company) = (SchemaOf::of::<Contact>(), SchemaOf::of::<Company>());
    let (lead, place) = (SchemaOf::of::<Lead>(), SchemaOf::of::<Place>());
    let (record, more) = match event {
        E::ContactCreated => (contact, vec![RESTORED, ERASED]),
        E::ContactUpdated => {
            (contact, [former(json!({"email": "john.doe@example.com"})), vec![ERASED]].concat())
        }
        E::ContactDeleted => (contact, vec![ERASED]),
        E::CompanyCreated => (company, vec![RESTORED]),
        E::CompanyUpdated => (company, former(json!({"employees": 240}))),
        E::CompanyDeleted => (company, vec![]),
        E::LeadCreated => (lead, vec![RESTORED]),
        E::LeadUpdated => (lead, former(json!({"value": 9000}))),
        E::LeadDeleted => (lead, vec![]),
        E::LeadMovedToStage => {
            (lead, vec![("from", Member::RecordOrNull(place)), ("to", Member::Record(place))])
        }
        E::PipelineStageUpdated => (SchemaOf::of::<StageChange>(), stage()),
        E::TenantSettingsUpdated => {
            (SchemaOf::of::<Settings>(), former(json!({"currency": "EUR"})))
        }
        E::ActivityCreated => (SchemaOf::of::<Activity>(), activity()),
        E::WebhookFailing | E::WebhookRecovered | E::WebhookDisabled => {
            (SchemaOf::of::<HealthChange>(), vec![])
        }
        E::ContactErased => (SchemaOf::of::<ErasedContact>(), vec![]),
        E::PipelineCreated | E::PipelineDeleted => (SchemaOf::of::<Pipeline>(), vec![]),
        E::PipelineUpdated => (SchemaOf::of::<Pipeline>(), former(json!({"name": "Sales Europe"}))),
    };
    Payload { record, more }
}

/// What an update replaced.
fn former(one: Value) -> Vec<(&'static str, Member)> {
    vec![("previous", Member::Previous(one))]
}

/// Activities never change.
fn activity() -> Vec<(&'static str, Member)> {
    let version = json!({"const": 1, "description": "Activities never change."});
    vec![("version", Member::Plain(version, json!(1))), ERASED]
}

/// Which pipeline a stage belongs to, and the pipeline's version.
fn stage() -> Vec<(&'static str, Member)> {
    let id = json!({"type": "string", "format": "uuid"});
    let version = json!({"type": "integer", "description": "The pipeline's."});
    vec![
        ("pipelineId", Member::Plain(id, json!("01a2036c-0d4c-7400-87c8-25f570a5ef30"))),
        ("version", Member::Plain(version, json!(2))),
    ]
}
