//! Applies rows to the tenant's contacts: a batch at a time, in the order of the file.

use std::collections::HashMap;

use super::batch::{Batch, Slot, Wanted};
use super::chunks::{Pending, Sent};
use super::{Fault, Import, MatchBy, Mode, Outcome};
use crate::changes;
use crate::contacts::company::{self, NoSuchCompany};
use crate::contacts::{Contact, ContactPatch, e164, store};
use crate::db::TenantTx;
use crate::id::ContactId;

/// What became of a row.
#[derive(Debug)]
pub struct Done {
    /// Its place in the file, from 1.
    pub row: i32,
    /// What became of it.
    pub outcome: Outcome,
    /// How it was sent and why it was not taken.
    pub refused: Option<(Sent, Fault)>,
    /// The contact that it made, changed or matched.
    pub contact: Option<ContactId>,
    /// The contact before it was changed.
    pub before: Option<Contact>,
    /// The contact's version afterwards.
    pub version: Option<i32>,
}

impl Done {
    fn new(row: i32, outcome: Outcome, contact: &Contact) -> Self {
        let (contact, version) = (Some(contact.id), Some(contact.version));
        Self { row, outcome, refused: None, contact, before: None, version }
    }

    /// Its place and its contact, if it made one.
    pub(super) fn made(&self) -> Option<(i32, ContactId)> {
        self.contact.filter(|_| self.outcome == Outcome::Created).map(|contact| (self.row, contact))
    }

    /// Whether there is something to keep of it alone: why it failed, or what its contact was.
    pub(super) fn leaves_a_row(&self) -> bool {
        match self.outcome {
            Outcome::Failed => true,
            Outcome::Updated => self.contact.is_some(),
            Outcome::Created | Outcome::Skipped => false,
        }
    }

    /// Leaves only what is true after its contact was taken back.
    pub(super) fn forget(&mut self) {
        (self.contact, self.before, self.version) = (None, None, None);
    }

    /// A row that was not taken.
    #[must_use]
    pub fn failed(sent: Sent, fault: Fault) -> Self {
        let (row, outcome, refused) = (sent.row, Outcome::Failed, Some((sent, fault)));
        Self { row, outcome, refused, contact: None, before: None, version: None }
    }
}

/// Applies at most [`super::BATCH`] rows of an import. Nothing persists unless the transaction commits.
///
/// # Errors
/// The database's. A unique violation means that another writer was quicker; try again.
pub async fn apply(
    tx: &mut TenantTx,
    import: &Import,
    rows: Vec<Pending>,
) -> sqlx::Result<Vec<Done>> {
    store::take_turns(tx).await?;
    let wanted = wanted(tx, import.match_by, &rows).await?;
    let mut batch = Batch::begin(tx, wanted).await?;
    let mut done = Vec::with_capacity(rows.len());
    for Pending { sent, patch } in rows {
        done.push(match one(tx, import, &mut batch, sent.row, patch)? {
            Ok(done) => done,
            Err(fault) => Done::failed(sent, fault),
        });
    }
    batch.write(tx).await?;
    Ok(done)
}

async fn wanted(
    tx: &mut TenantTx,
    match_by: Option<MatchBy>,
    rows: &[Pending],
) -> sqlx::Result<Wanted> {
    let emails: Vec<String> =
        rows.iter().filter_map(|row| row.patch.email.value().cloned()).collect();
    let external_ids: Vec<String> =
        rows.iter().filter_map(|row| row.patch.external_id.value().cloned()).collect();
    let mut keys = HashMap::new();
    let contacts = match match_by {
        None => Vec::new(),
        Some(MatchBy::ExternalId) => store::with_external_id(tx, &external_ids).await?,
        Some(MatchBy::Email) => {
            keys.extend(store::email_keys(tx, emails.clone()).await?);
            let mut distinct: Vec<String> = keys.values().cloned().collect();
            distinct.sort_unstable();
            distinct.dedup();
            store::with_email(tx, &distinct).await?
        }
    };
    let companies = rows.iter().filter_map(|row| row.patch.company_id.value().copied()).collect();
    Ok(Wanted { contacts, companies, emails, keys, external_ids })
}

/// One row. The outer error is the program's, the inner one the row's.
fn one(
    tx: &mut TenantTx,
    import: &Import,
    batch: &mut Batch,
    row: i32,
    patch: ContactPatch,
) -> sqlx::Result<Result<Done, Fault>> {
    let matched = match (import.match_by, patch.email.value(), patch.external_id.value()) {
        (Some(MatchBy::Email), Some(email), _) => batch.with_email(email),
        (Some(MatchBy::ExternalId), _, Some(id)) => batch.with_external_id(id),
        _ => Vec::new(),
    };
    Ok(match (matched.as_slice(), import.mode) {
        ([], _) => create(tx, batch, row, patch)?,
        ([place], Mode::Skip) => Ok(Done::new(row, Outcome::Skipped, &batch.slots[*place].after)),
        ([place], _) => change(tx, batch, *place, row, patch)?,
        (_, _) => {
            let field = import.match_by.map_or("row", MatchBy::as_str);
            let what = "Matches more than one contact";
            Err(Fault { code: "CONFLICT", ..Fault::field(field, what) })
        }
    })
}

fn create(
    tx: &mut TenantTx,
    batch: &mut Batch,
    row: i32,
    patch: ContactPatch,
) -> sqlx::Result<Result<Done, Fault>> {
    let Some(name) = patch.name else { return Ok(Err(Fault::field("name", "Is required"))) };
    let now = tx.now();
    let mut contact = Contact {
        id: ContactId(tx.fresh_id()),
        tenant_id: tx.tenant(),
        name,
        phone_e164: patch.phone.value().and_then(|phone| e164(phone)),
        email: patch.email.into_value(),
        phone: patch.phone.into_value(),
        company: patch.company.into_value(),
        company_id: patch.company_id.into_value(),
        external_id: patch.external_id.into_value(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    if let Err(NoSuchCompany) = company::join(&batch.companies, None, &mut contact) {
        return Ok(Err(Fault::field("companyId", company::NONE)));
    }
    if let Some(fault) = batch.conflict(None, &contact) {
        return Ok(Err(fault));
    }
    changes::created(tx, &contact)?;
    let done = Done::new(row, Outcome::Created, &contact);
    batch.slots.push(Slot { before: None, after: contact, gone: false });
    Ok(Ok(done))
}

fn change(
    tx: &mut TenantTx,
    batch: &mut Batch,
    place: usize,
    row: i32,
    patch: ContactPatch,
) -> sqlx::Result<Result<Done, Fault>> {
    let before = batch.slots[place].after.clone();
    let after = match before.changed(patch, &batch.companies, tx.now()) {
        Err(NoSuchCompany) => return Ok(Err(Fault::field("companyId", company::NONE))),
        Ok(None) => return Ok(Ok(Done::new(row, Outcome::Skipped, &before))),
        Ok(Some(after)) => after,
    };
    if let Some(fault) = batch.conflict(Some(place), &after) {
        return Ok(Err(fault));
    }
    changes::updated(tx, &before, &after)?;
    let done = Done { before: Some(before), ..Done::new(row, Outcome::Updated, &after) };
    batch.slots[place].after = after;
    Ok(Ok(done))
}
