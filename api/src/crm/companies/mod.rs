//! Companies: the rules. Records that refer to a company hear of its new name and of its end here, in the same
//! transaction.

mod http;
mod industry;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::{CompanyId, TenantId};
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contacts;
use super::deleted::{self, Deleted};
use crate::changes::{self, Events, Tracked};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::expand::{self, Records};
use crate::http::fields::{Change, Fields, Input};
use crate::http::{IfMatch, Listed, Representation, Resource, rules};
use crate::list::{Column, Kind, List, ListQuery, Search};
pub use http::routes;
pub use industry::INDUSTRIES;

/// The most employees that a company can have.
const MAX_EMPLOYEES: i64 = 10_000_000;

/// A company that the tenant knows.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "ACME Corp", "industry": "manufacturing", "website": "https://acme.example",
    "employees": 250}))]
pub struct Company {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: CompanyId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// Its sector.
    #[schema(required, schema_with = industry::schema)]
    pub industry: Option<String>,
    /// As it was given.
    #[schema(required)]
    pub website: Option<String>,
    /// How many work there.
    #[schema(required)]
    pub employees: Option<i64>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// What a company is created from.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({"name": "ACME Corp", "industry": "manufacturing", "website": "https://acme.example", "employees": 250}))]
pub struct NewCompany {
    /// 1 to 100 characters.
    pub name: String,
    /// Its sector.
    pub industry: Option<String>,
    /// An http or https address.
    pub website: Option<String>,
    /// How many work there.
    pub employees: Option<i64>,
}

/// What changes in a company: absent fields stay, `null` clears.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(example = json!({"employees": 260}))]
pub struct CompanyPatch {
    /// Replaces the name.
    pub name: Option<String>,
    /// Changes the sector.
    #[schema(value_type = Option<String>)]
    pub industry: Change<String>,
    /// Changes the website.
    #[schema(value_type = Option<String>)]
    pub website: Change<String>,
    /// Changes how many work there.
    #[schema(value_type = Option<i64>)]
    pub employees: Change<i64>,
}

impl Representation for Company {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Tracked for Company {
    const TYPE: &'static str = "company";
    const EVENTS: Option<Events> = Some(Events {
        created: EventType::CompanyCreated,
        updated: EventType::CompanyUpdated,
        deleted: EventType::CompanyDeleted,
    });

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for CompanyId {
    const NAME: &'static str = "Company";
}

impl Input for NewCompany {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", rules::line(100));
        let industry = fields.optional("industry", industry::industry());
        let website = fields.optional("website", rules::url());
        let employees = fields.optional("employees", rules::integer(0..=MAX_EMPLOYEES));
        Some(Self { name: name?, industry: industry?, website: website?, employees: employees? })
    }
}

impl Input for CompanyPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.replaced("name", rules::line(100));
        let industry = fields.changed("industry", industry::industry());
        let website = fields.changed("website", rules::url());
        let employees = fields.changed("employees", rules::integer(0..=MAX_EMPLOYEES));
        Some(Self { name: name?, industry: industry?, website: website?, employees: employees? })
    }
}

/// What lists of companies can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "name", sql: "name_key", kind: Kind::Folded },
        Column { name: "industry", sql: "industry", kind: Kind::OneOf(INDUSTRIES) },
        Column { name: "website", sql: "website_key", kind: Kind::Folded },
        Column { name: "employees", sql: "employees", kind: Kind::Integer },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[
        ("createdAt", "created_at"),
        ("updatedAt", "updated_at"),
        ("name", "name_key"),
        ("employees", "employees_key"),
    ],
    default_sort: "-createdAt",
    search: Some(Search { function: "search_companies", column: "search" }),
    expansions: &[],
};

/// One page of the tenant's companies.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Company>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// One page of the companies that were deleted and can be restored.
///
/// # Errors
/// The database's.
pub async fn list_deleted(tx: &mut TenantTx, query: ListQuery) -> Result<Listed<Deleted<Company>>> {
    Ok(deleted::page(tx, query, &store::SOURCE, "deleted_at is not null").await?)
}

/// Stores a company and announces `company.created`.
///
/// # Errors
/// The database's.
pub async fn create(tx: &mut TenantTx, new: NewCompany) -> Result<Company> {
    let now = tx.now();
    let company = Company {
        id: CompanyId(tx.fresh_id()),
        tenant_id: tx.tenant(),
        name: new.name,
        industry: new.industry,
        website: new.website,
        employees: new.employees,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let creation = changes::creation(tx, &company)?;
    store::insert(tx, &company, creation).await?;
    Ok(company)
}

/// The company.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: CompanyId) -> Result<Company> {
    store::find(tx, id).await?.ok_or_else(CompanyId::not_found)
}

/// Those of the companies that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_all(tx, ids).await?, |company| company.id.0)
}

/// Whether very many contacts change with the company when it gets this name, or goes.
///
/// # Errors
/// The database's.
pub async fn changes_many(tx: &mut TenantTx, id: CompanyId, name: Option<&str>) -> Result<bool> {
    if let Some(name) = name
        && store::find(tx, id).await?.is_none_or(|company| company.name == name)
    {
        return Ok(false);
    }
    contacts::are_many_of(tx, id).await
}

/// Merges a change into a company and announces `company.updated`, unless nothing changed. Contacts that carry its
/// name carry the new one afterwards.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn update(
    tx: &mut TenantTx,
    id: CompanyId,
    seen: &IfMatch,
    patch: CompanyPatch,
) -> Result<Company> {
    let before = store::lock(tx, id).await?.ok_or_else(CompanyId::not_found)?;
    seen.check(before.version)?;
    let mut after = before.clone();
    if let Some(name) = patch.name {
        after.name = name;
    }
    patch.industry.apply(&mut after.industry);
    patch.website.apply(&mut after.website);
    patch.employees.apply(&mut after.employees);
    if after == before {
        return Ok(before);
    }
    changes::touch(&mut after.version, &mut after.updated_at, tx.now());
    store::update(tx, &after).await?;
    if after.name != before.name {
        contacts::rename_company(tx, id, &before.name, &after.name).await?;
    }
    changes::updated(tx, &before, &after)?;
    Ok(after)
}

/// Hides a company, which can be restored for 30 days, and announces `company.deleted` with its last state.
/// What referred to it refers to nothing (requirement CO-10), and does not come back with it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn remove(tx: &mut TenantTx, id: CompanyId, seen: &IfMatch) -> Result<()> {
    let company = store::lock(tx, id).await?.ok_or_else(CompanyId::not_found)?;
    seen.check(company.version)?;
    store::delete(tx, id).await?;
    contacts::leave_company(tx, id).await?;
    let last = Company { version: company.version + 1, ..company.clone() };
    Ok(changes::deleted_as(tx, &company, &last)?)
}

/// Brings a deleted company back and announces `company.created` with `restored: true`; one that was never gone is
/// left as it is.
///
/// # Errors
/// [`Error::NotFound`], also when it was deleted more than 30 days ago.
pub async fn restore(tx: &mut TenantTx, id: CompanyId) -> Result<Company> {
    if let Some(company) = store::restore(tx, id, tx.now() - deleted::RESTORABLE).await? {
        changes::restored(tx, &company)?;
        return Ok(company);
    }
    show(tx, id).await
}
