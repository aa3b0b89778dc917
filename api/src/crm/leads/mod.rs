//! Leads: the rules. What moves a lead is told in `moves.rs`, what becomes of one that is won in `convert.rs`.

mod amount;
mod convert;
mod http;
mod input;
mod moves;
mod place;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::{CompanyId, ContactId, LeadId, PipelineId, StageId, TenantId, UserId};
use shared::scope::Scope;
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use super::deleted::{self, Deleted};
use super::references::References;
use super::{companies, contacts, currency, pipelines};
use crate::changes::{self, Events, Tracked};
use crate::error::{Details, Error, Result};
use crate::http::doc::SchemaOf;
use crate::http::expand::{self, Expansion, Records};
use crate::http::fields::Change;
use crate::http::{IfMatch, Listed, Representation, Resource, doc};
use crate::list::{Column, Kind, List, ListQuery, Search};
use crate::users;
pub use amount::Amount;
pub use convert::{Conversion, convert};
pub use http::routes;
pub use input::{LeadPatch, Move, NewLead};
pub use moves::{HISTORY, StageMove, are_many_in, count_in, history, move_all, move_deleted};
pub use place::{NO_STAGE, Place};

/// How a lead can stand (requirement L-7).
pub const STATUSES: &[&str] = &["new", "contacted", "qualified", CONVERTED, "lost"];

/// The status of a lead that became business.
const CONVERTED: &str = "converted";

/// A deal that may come.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"title": "ACME: 40 seats", "status": "new", "value": 12000.5, "currency": "EUR"}))]
pub struct Lead {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: LeadId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// 1 to 100 characters.
    pub title: String,
    /// The status.
    #[schema(schema_with = status_schema)]
    pub status: String,
    /// What it may bring, with every digit and at most two decimals.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Amount>,
    /// What the value is counted in.
    #[schema(schema_with = currency::schema)]
    pub currency: String,
    /// The user who works on it.
    #[schema(required, value_type = Option<Uuid>)]
    pub owner: Option<UserId>,
    /// The person it is about; stays when that contact is deleted.
    #[schema(required, value_type = Option<Uuid>)]
    pub contact_id: Option<ContactId>,
    /// The company it is about; stays when that company is deleted.
    #[schema(required, value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// The way it goes.
    #[schema(required, value_type = Option<Uuid>)]
    pub pipeline_id: Option<PipelineId>,
    /// Where it stands there; it has a stage exactly when it has a pipeline.
    #[schema(required, value_type = Option<Uuid>)]
    pub stage_id: Option<StageId>,
    /// Since when its status is `converted`.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub converted_at: Option<DateTime<Utc>>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

fn status_schema() -> utoipa::openapi::Object {
    doc::words("How it stands.", STATUSES)
}

impl Lead {
    /// What it refers to and `before` did not.
    fn new_references(&self, before: Option<&Self>) -> References {
        fn anew<T: Copy + PartialEq>(now: Option<T>, before: Option<T>) -> Option<T> {
            if now == before { None } else { now }
        }
        References {
            owner: anew(self.owner, before.and_then(|lead| lead.owner)),
            contact: anew(self.contact_id, before.and_then(|lead| lead.contact_id)),
            company: anew(self.company_id, before.and_then(|lead| lead.company_id)),
            lead: None,
        }
    }

    /// Sets the status, and with it since when it is converted.
    fn stand(&mut self, status: String, now: DateTime<Utc>) {
        if status != CONVERTED {
            self.converted_at = None;
        } else if self.status != CONVERTED || self.converted_at.is_none() {
            self.converted_at = Some(now);
        }
        self.status = status;
    }

    /// Counts a change.
    fn touch(&mut self, now: DateTime<Utc>) {
        changes::touch(&mut self.version, &mut self.updated_at, now);
    }
}

impl Representation for Lead {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Tracked for Lead {
    const TYPE: &'static str = "lead";
    const EVENTS: Option<Events> = Some(Events {
        created: EventType::LeadCreated,
        updated: EventType::LeadUpdated,
        deleted: EventType::LeadDeleted,
    });

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for LeadId {
    const NAME: &'static str = "Lead";
}

/// What lists of leads can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "status", sql: "status", kind: Kind::OneOf(STATUSES) },
        Column { name: "title", sql: "title_key", kind: Kind::Folded },
        Column { name: "currency", sql: "currency", kind: Kind::OneOf(currency::CURRENCIES) },
        Column { name: "value", sql: "value_cents", kind: Kind::Number(2) },
        Column { name: "owner", sql: "owner_id", kind: Kind::Id },
        Column { name: "contactId", sql: "contact_id", kind: Kind::Id },
        Column { name: "companyId", sql: "company_id", kind: Kind::Id },
        Column { name: "pipelineId", sql: "pipeline_id", kind: Kind::Id },
        Column { name: "stageId", sql: "stage_id", kind: Kind::Id },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[
        ("createdAt", "created_at"),
        ("updatedAt", "updated_at"),
        ("title", "title_key"),
        ("value", "value_key"),
    ],
    default_sort: "-createdAt",
    search: Some(Search { function: "search_leads", column: "title_key" }),
    expansions: &[
        Expansion {
            name: "owner",
            member: "owner",
            schema: SchemaOf::of::<users::User>(),
            scope: Scope::UsersRead,
            load: |tx, ids| Box::pin(users::referred(tx, ids)),
        },
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
            name: "pipeline",
            member: "pipelineId",
            schema: SchemaOf::of::<pipelines::Pipeline>(),
            scope: Scope::PipelinesRead,
            load: |tx, ids| Box::pin(pipelines::referred(tx, ids)),
        },
        Expansion {
            name: "stage",
            member: "stageId",
            schema: SchemaOf::of::<pipelines::Stage>(),
            scope: Scope::PipelinesRead,
            load: |tx, ids| Box::pin(pipelines::referred_stages(tx, ids)),
        },
    ],
};

/// One page of the tenant's leads.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Lead>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// One page of the leads that were deleted and can be restored.
///
/// # Errors
/// The database's.
pub async fn list_deleted(tx: &mut TenantTx, query: ListQuery) -> Result<Listed<Deleted<Lead>>> {
    Ok(deleted::page(tx, query, &store::SOURCE, "deleted_at is not null").await?)
}

/// Stores a lead and announces `lead.created`. The stage that it enters first is the first entry of its history.
///
/// # Errors
/// [`Error::Invalid`] with every reference to a record that is not there.
pub async fn create(tx: &mut TenantTx, new: NewLead) -> Result<Lead> {
    let (now, mut faults) = (tx.now(), Details::new());
    let (pipeline, stage) = (new.pipeline_id.into(), new.stage_id.into());
    let destination = place::resolve(tx, pipeline, stage, &mut faults).await?;
    let (pipeline_id, stage_id) = destination.from(None, None);
    let currency = match new.currency {
        Some(currency) => currency,
        None => store::default_currency(tx).await?,
    };
    let mut lead = Lead {
        id: LeadId(tx.fresh_id()),
        tenant_id: tx.tenant(),
        title: new.title,
        status: String::new(),
        value: new.value,
        currency,
        owner: new.owner,
        contact_id: new.contact_id,
        company_id: new.company_id,
        pipeline_id,
        stage_id,
        converted_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    lead.stand(new.status, now);
    check(tx, &lead, None, faults).await?;
    store::insert(tx, &lead).await?;
    changes::created(tx, &lead)?;
    if let Some(place) = destination.place() {
        moves::entered(tx, &lead, place).await?;
    }
    Ok(lead)
}

/// The lead.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: LeadId) -> Result<Lead> {
    store::find(tx, id).await?.ok_or_else(LeadId::not_found)
}

/// Those of the leads that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_all(tx, ids).await?, |lead| lead.id.0)
}

/// Merges a change into a lead and announces `lead.updated`, unless nothing changed, and `lead.moved_to_stage` when
/// it is in another stage then.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`] with every reference to a record that is
/// not there.
pub async fn update(
    tx: &mut TenantTx,
    id: LeadId,
    seen: &IfMatch,
    patch: LeadPatch,
) -> Result<Lead> {
    let (now, mut faults) = (tx.now(), Details::new());
    let destination = place::resolve(tx, patch.pipeline_id, patch.stage_id, &mut faults).await?;
    let before = store::lock(tx, id).await?.ok_or_else(LeadId::not_found)?;
    seen.check(before.version)?;
    let mut after = before.clone();
    if let Some(title) = patch.title {
        after.title = title;
    }
    if let Some(status) = patch.status {
        after.stand(status, now);
    }
    match patch.currency {
        Change::Keep => {}
        Change::Clear => after.currency = store::default_currency(tx).await?,
        Change::Set(currency) => after.currency = currency,
    }
    patch.value.apply(&mut after.value);
    patch.owner.apply(&mut after.owner);
    patch.contact_id.apply(&mut after.contact_id);
    patch.company_id.apply(&mut after.company_id);
    (after.pipeline_id, after.stage_id) = destination.from(before.pipeline_id, before.stage_id);
    check(tx, &after, Some(&before), faults).await?;
    if after == before {
        return Ok(before);
    }
    after.touch(now);
    store::update(tx, &after).await?;
    moves::told(tx, &before, &after, &destination).await?;
    Ok(after)
}

/// Refuses what is wrong already, and references to what is not there.
async fn check(
    tx: &mut TenantTx,
    lead: &Lead,
    before: Option<&Lead>,
    mut faults: Details,
) -> Result<()> {
    lead.new_references(before).check(tx, &mut faults).await?;
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// The stage, kept until the transaction ends, for whoever moves leads there.
///
/// # Errors
/// The database's.
pub async fn place(tx: &mut TenantTx, stage: StageId) -> Result<Option<Place>> {
    Ok(place::stage_of(tx, stage).await?)
}

/// Hides a lead, which can be restored for 30 days, and announces `lead.deleted` with its last state.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn remove(tx: &mut TenantTx, id: LeadId, seen: &IfMatch) -> Result<()> {
    let lead = store::lock(tx, id).await?.ok_or_else(LeadId::not_found)?;
    seen.check(lead.version)?;
    store::delete(tx, id).await?;
    let last = Lead { version: lead.version + 1, ..lead.clone() };
    Ok(changes::deleted_as(tx, &lead, &last)?)
}

/// Brings a deleted lead back and announces `lead.created` with `restored: true`; one that was never gone is left as
/// it is.
///
/// # Errors
/// [`Error::NotFound`], also when it was deleted more than 30 days ago.
pub async fn restore(tx: &mut TenantTx, id: LeadId) -> Result<Lead> {
    if let Some(stage) = store::stage_of(tx, id).await? {
        place::stage_of(tx, stage).await?;
    }
    let was_gone = store::restore(tx, id, tx.now() - deleted::RESTORABLE).await?;
    let lead = show(tx, id).await?;
    if was_gone {
        moves::returned(tx, &lead).await?;
        changes::restored(tx, &lead)?;
    }
    Ok(lead)
}
