//! Activities: the rules. They are history: written once, by people and programs or by the system itself, and never
//! changed or deleted, not even with the records they are about (requirement AC-1).

mod http;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use shared::event::EventType;
use shared::id::{ActivityId, CompanyId, ContactId, EventId, LeadId, TenantId};
use shared::scope::Scope;
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::actor::DoneBy;
use super::leads::{self, Lead};
use super::references::References;
use super::{companies, contacts};
use crate::changes::{self, Tracked};
use crate::error::{Details, Error, Result};
use crate::http::doc::SchemaOf;
use crate::http::expand::Expansion;
use crate::http::fields::{Fields, Input};
use crate::http::rules::Rule;
use crate::http::{Listed, Representation, Resource, doc, rules};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

/// What an activity can be.
pub const TYPES: &[&str] = &["note", "call", "email", "meeting", "task", SYSTEM];

/// What a caller can say it is: all but the system's own.
const WRITABLE: &[&str] = &["note", "call", "email", "meeting", "task"];

/// The type of what the system writes by itself.
const SYSTEM: &str = "system";

/// Something that happened around a contact, a company or a lead.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"type": "call", "subject": "Called about the offer", "body": "Wants 40 seats.",
    "contactId": "01a2036c-0d4c-7400-87c8-25f570a5ef21",
    "actor": {"type": "user", "id": "01a2036c-0d4c-7400-87c8-25f570a5ef22"}}))]
pub struct Activity {
    /// Its id, which is that of the event that tells of it: `activity.created`, or of what the api writes by itself the
    /// event of the change, such as `lead.moved_to_stage`. Of a lead that is converted and leaves its pipeline at once,
    /// `Left …` has an id of its own.
    #[schema(value_type = Uuid)]
    pub id: ActivityId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// What it is.
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    #[schema(schema_with = type_schema)]
    pub kind: String,
    /// 1 to 200 characters.
    pub subject: String,
    /// At most 10,000 characters, of several lines.
    #[schema(required)]
    pub body: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "clock::serialize")]
    pub occurred_at: DateTime<Utc>,
    /// Until when something is to be done.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub due_at: Option<DateTime<Utc>>,
    /// The contact it is about; stays when that contact is deleted.
    #[schema(required, value_type = Option<Uuid>)]
    pub contact_id: Option<ContactId>,
    /// The company it is about; stays when that company is deleted.
    #[schema(required, value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// The lead it is about; stays when that lead is deleted.
    #[schema(required, value_type = Option<Uuid>)]
    pub lead_id: Option<LeadId>,
    /// Who wrote it, or caused the system to.
    #[schema(value_type = DoneBy)]
    pub actor: Json<DoneBy>,
    /// When it was written.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

fn type_schema() -> utoipa::openapi::Object {
    doc::words("What it is; `system` is what the api writes by itself.", TYPES)
}

/// What an activity is created from. It is about one record at least.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"type": "call", "subject": "Called about the offer", "body": "Wants 40 seats.",
    "contactId": "01a2036c-0d4c-7400-87c8-25f570a5ef21"}))]
pub struct NewActivity {
    /// What it is.
    #[schema(rename = "type")]
    pub kind: String,
    /// 1 to 200 characters.
    pub subject: String,
    /// At most 10,000 characters, of several lines.
    pub body: Option<String>,
    /// When it happened; now, when absent.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Until when something is to be done.
    pub due_at: Option<DateTime<Utc>>,
    /// The contact it is about.
    #[schema(value_type = Option<Uuid>)]
    pub contact_id: Option<ContactId>,
    /// The company it is about.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// The lead it is about.
    #[schema(value_type = Option<Uuid>)]
    pub lead_id: Option<LeadId>,
}

impl Representation for Activity {}

/// Announced apart: `activity.created` is an extension, and nothing else ever happens to an activity.
impl Tracked for Activity {
    const TYPE: &'static str = "activity";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for ActivityId {
    const NAME: &'static str = "Activity";
}

/// What an activity can be about: one of these at least.
const ABOUT: [&str; 3] = ["contactId", "companyId", "leadId"];

fn writable() -> impl Rule<String> {
    rules::word(WRITABLE)
}

impl Input for NewActivity {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.required("type", writable());
        let subject = fields.required("subject", rules::line(200));
        let body = fields.optional("body", rules::text(10_000));
        let occurred_at = fields.optional("occurredAt", rules::time());
        let due_at = fields.optional("dueAt", rules::time());
        let contact_id = fields.optional("contactId", rules::id());
        let company_id = fields.optional("companyId", rules::id());
        let lead_id = fields.optional("leadId", rules::id());
        fields.ignore(&["actor"]);
        fields.together(|| {
            json!({"anyOf": ABOUT.map(|id| {
                json!({"required": [id], "properties": {id: {"type": "string"}}})
            })})
        });
        if (&contact_id, &company_id, &lead_id) == (&Some(None), &Some(None), &Some(None)) {
            let fault = "One of contactId, companyId and leadId is required";
            for field in ABOUT {
                fields.refuse(field, fault);
            }
        }
        Some(Self {
            kind: kind?,
            subject: subject?,
            body: body?,
            occurred_at: occurred_at?,
            due_at: due_at?,
            contact_id: contact_id?,
            company_id: company_id?,
            lead_id: lead_id?,
        })
    }
}

const EXPANSIONS: &[Expansion] = &[
    Expansion {
        name: "contact",
        member: "contactId",
        schema: SchemaOf::of::<contacts::Contact>(),
        scope: Scope::ContactsRead,
        load: |tx, ids| Box::pin(contacts::referred(tx, ids)),
    },
    Expansion {
        name: "company",
        member: "companyId",
        schema: SchemaOf::of::<companies::Company>(),
        scope: Scope::CompaniesRead,
        load: |tx, ids| Box::pin(companies::referred(tx, ids)),
    },
    Expansion {
        name: "lead",
        member: "leadId",
        schema: SchemaOf::of::<leads::Lead>(),
        scope: Scope::LeadsRead,
        load: |tx, ids| Box::pin(leads::referred(tx, ids)),
    },
];

/// What lists of activities can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "type", sql: "type", kind: Kind::OneOf(TYPES) },
        Column { name: "occurredAt", sql: "occurred_at", kind: Kind::Time },
        Column { name: "contactId", sql: "contact_id", kind: Kind::Id },
        Column { name: "companyId", sql: "company_id", kind: Kind::Id },
        Column { name: "leadId", sql: "lead_id", kind: Kind::Id },
        Column { name: "dueAt", sql: "due_at", kind: Kind::Time },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("occurredAt", "occurred_at"), ("createdAt", "created_at")],
    default_sort: "-occurredAt",
    search: None,
    expansions: EXPANSIONS,
};

/// What timelines can be asked.
pub static TIMELINE: List = List {
    columns: &[
        Column { name: "type", sql: "type", kind: Kind::OneOf(TYPES) },
        Column { name: "occurredAt", sql: "occurred_at", kind: Kind::Time },
    ],
    sorts: &[("occurredAt", "occurred_at")],
    default_sort: "-occurredAt",
    search: None,
    expansions: EXPANSIONS,
};

/// One page of the tenant's activities.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Activity>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// One page of what happened around a contact.
///
/// # Errors
/// [`Error::NotFound`] without such a contact.
pub async fn of_contact(
    tx: &mut TenantTx,
    id: ContactId,
    query: &ListQuery,
) -> Result<Listed<Activity>> {
    contacts::show(tx, id).await?;
    Ok(query.fetch(tx, &store::about("contact_id", id.0)).await?)
}

/// One page of what happened around a company.
///
/// # Errors
/// [`Error::NotFound`] without such a company.
pub async fn of_company(
    tx: &mut TenantTx,
    id: CompanyId,
    query: &ListQuery,
) -> Result<Listed<Activity>> {
    companies::show(tx, id).await?;
    Ok(query.fetch(tx, &store::about("company_id", id.0)).await?)
}

/// One page of what happened around a lead.
///
/// # Errors
/// [`Error::NotFound`] without such a lead.
pub async fn of_lead(tx: &mut TenantTx, id: LeadId, query: &ListQuery) -> Result<Listed<Activity>> {
    leads::show(tx, id).await?;
    Ok(query.fetch(tx, &store::about("lead_id", id.0)).await?)
}

/// Stores an activity and announces `activity.created`.
///
/// # Errors
/// [`Error::Invalid`] with every reference to a record that is not there.
pub async fn create(tx: &mut TenantTx, new: NewActivity) -> Result<Activity> {
    let (now, mut faults) = (tx.now(), Details::new());
    let (contact, company, lead) = (new.contact_id, new.company_id, new.lead_id);
    References { owner: None, contact, company, lead }.check(tx, &mut faults).await?;
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let activity = Activity {
        id: ActivityId(tx.fresh_id()),
        tenant_id: tx.tenant(),
        kind: new.kind,
        subject: new.subject,
        body: new.body,
        occurred_at: new.occurred_at.unwrap_or(now),
        due_at: new.due_at,
        contact_id: new.contact_id,
        company_id: new.company_id,
        lead_id: new.lead_id,
        actor: Json(tx.actor().into()),
        created_at: now,
    };
    store::insert(tx, std::slice::from_ref(&activity)).await?;
    let event = EventId(activity.id.0);
    tx.emit_as(event, EventType::ActivityCreated, &Announced::of(&activity))?;
    changes::created_announced_apart(tx, &activity, event)?;
    Ok(activity)
}

/// What `activity.created` tells: like every event it says which version of the record it has.
#[derive(Serialize)]
struct Announced<'a> {
    #[serde(flatten)]
    activity: &'a Activity,
    version: i32,
}

impl<'a> Announced<'a> {
    fn of(activity: &'a Activity) -> Self {
        Self { activity, version: 1 }
    }
}

/// The activity.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: ActivityId) -> Result<Activity> {
    store::find(tx, id).await?.ok_or_else(ActivityId::not_found)
}

/// Something that the system writes down by itself.
pub struct Happened<'a> {
    event: EventId,
    lead: &'a Lead,
    subject: String,
    body: Option<String>,
}

impl<'a> Happened<'a> {
    /// Something that happened to a lead, and so to its contact and its company, and the event that tells of it.
    #[must_use]
    pub fn to(lead: &'a Lead, event: EventId, subject: String, body: Option<String>) -> Self {
        Self { event, lead, subject, body }
    }
}

/// Writes down what the transaction did, and announces it like other activities. The audit log has the change itself.
///
/// # Errors
/// The database's.
pub async fn happened(tx: &mut TenantTx, entries: Vec<Happened<'_>>) -> Result<()> {
    let (tenant_id, now, actor) = (tx.tenant(), tx.now(), DoneBy::from(tx.actor()));
    let activity = |entry: Happened<'_>| Activity {
        id: ActivityId(entry.event.0),
        tenant_id,
        kind: SYSTEM.to_owned(),
        subject: entry.subject,
        body: entry.body,
        occurred_at: now,
        due_at: None,
        contact_id: entry.lead.contact_id,
        company_id: entry.lead.company_id,
        lead_id: Some(entry.lead.id),
        actor: Json(actor.clone()),
        created_at: now,
    };
    let activities: Vec<Activity> = entries.into_iter().map(activity).collect();
    store::insert(tx, &activities).await?;
    for activity in &activities {
        tx.emit(EventType::ActivityCreated, &Announced::of(activity))?;
    }
    Ok(())
}
