//! Some contacts, as the database has them and as they are going to be: rows are applied to it in memory, in their
//! order, and everything is written at once in the end.
//!
//! Locks are taken in the order in which everybody takes them: companies, contacts, the tenant's unique values.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::Fault;
use crate::contacts::company::{self, Known};
use crate::contacts::{Contact, store};
use crate::db::TenantTx;
use crate::id::{CompanyId, ContactId};

/// What a batch needs to know.
#[derive(Default)]
pub(super) struct Wanted {
    /// Contacts that may change.
    pub contacts: Vec<store::Candidate>,
    /// Companies that contacts may get.
    pub companies: Vec<CompanyId>,
    /// Addresses that contacts may get.
    pub emails: Vec<String>,
    /// The keys of addresses, where somebody has asked for them already.
    pub keys: HashMap<String, String>,
    /// External ids that contacts may get.
    pub external_ids: Vec<String>,
}

/// One contact.
pub(super) struct Slot {
    /// As the database has it; none when it is new.
    pub before: Option<Contact>,
    /// As it is going to be.
    pub after: Contact,
    /// Whether it is going to be deleted.
    pub gone: bool,
}

/// See the module.
pub(super) struct Batch {
    pub companies: Known,
    pub slots: Vec<Slot>,
    /// Addresses with the database's `lower()` of each; complete only where a rule or a match asks for them.
    keys: HashMap<String, String>,
    unique_emails: bool,
    email_holders: Vec<(String, ContactId)>,
    external_id_holders: Vec<(String, ContactId)>,
}

impl Batch {
    pub(super) async fn begin(tx: &mut TenantTx, wanted: Wanted) -> sqlx::Result<Self> {
        let companies: BTreeSet<CompanyId> = wanted
            .companies
            .into_iter()
            .chain(wanted.contacts.iter().filter_map(|(_, company)| *company))
            .collect();
        let companies: Vec<_> = companies.into_iter().collect();
        let companies = company::known(tx, &companies).await?;

        let ids: Vec<Uuid> = wanted.contacts.iter().map(|(id, _)| id.0).collect();
        let locked = if ids.is_empty() { Vec::new() } else { store::lock(tx, &ids).await? };

        let mut keys = wanted.keys;
        let mut slots = Vec::new();
        for (contact, key) in locked {
            if let (Some(email), Some(key)) = (&contact.email, key) {
                keys.insert(email.clone(), key);
            }
            slots.push(Slot { before: Some(contact.clone()), after: contact, gone: false });
        }
        let mut batch = Self {
            companies,
            slots,
            keys,
            unique_emails: store::emails_are_unique(tx).await?,
            email_holders: Vec::new(),
            external_id_holders: Vec::new(),
        };
        batch.look_for_holders(tx, &wanted.emails, &wanted.external_ids).await?;
        Ok(batch)
    }

    async fn look_for_holders(
        &mut self,
        tx: &mut TenantTx,
        emails: &[String],
        external_ids: &[String],
    ) -> sqlx::Result<()> {
        let addressed = !emails.is_empty() || !self.keys.is_empty();
        if !self.unique_emails && addressed && external_ids.is_empty() {
            self.unique_emails = store::lock_email_rule(tx).await?;
        }
        let ruled = self.unique_emails && addressed;
        if ruled || !external_ids.is_empty() {
            store::lock_unique_values(tx).await?;
        }
        if ruled {
            let unknown = emails.iter().filter(|email| !self.keys.contains_key(*email));
            self.keys.extend(store::email_keys(tx, unknown.cloned().collect()).await?);
            let keys: Vec<_> = self.keys.values().cloned().collect();
            self.email_holders = store::email_holders(tx, &keys).await?;
        }
        if !external_ids.is_empty() {
            self.external_id_holders = store::external_id_holders(tx, external_ids).await?;
        }
        Ok(())
    }

    /// The database's form of an address.
    pub(super) fn key(&self, email: &str) -> Option<&str> {
        self.keys.get(email).map(String::as_str)
    }

    /// The key of a contact's address.
    fn email_of(&self, contact: &Contact) -> Option<&str> {
        contact.email.as_deref().and_then(|email| self.key(email))
    }

    /// The places of the contacts that have this address.
    pub(super) fn with_email(&self, email: &str) -> Vec<usize> {
        let key = self.key(email);
        self.places(|contact| contact.email.is_some() && self.email_of(contact) == key)
    }

    /// The places of the contacts that have this external id.
    pub(super) fn with_external_id(&self, id: &str) -> Vec<usize> {
        self.places(|contact| contact.external_id.as_deref() == Some(id))
    }

    fn places(&self, fits: impl Fn(&Contact) -> bool) -> Vec<usize> {
        let fitting = self.slots.iter().enumerate();
        fitting
            .filter(|(_, slot)| !slot.gone && fits(&slot.after))
            .map(|(place, _)| place)
            .collect()
    }

    /// Why a contact may not become this one: another has what only one may have.
    pub(super) fn conflict(&self, own: Option<usize>, wanted: &Contact) -> Option<Fault> {
        let current = own.map(|place| &self.slots[place].after);
        let mut found = None;
        if let Some(id) = &wanted.external_id
            && current.is_none_or(|current| current.external_id.as_ref() != Some(id))
        {
            let inside = self.with_external_id(id);
            found = self
                .holder(own, &inside, &self.external_id_holders, id)
                .map(|holder| ("externalId", "Another contact has this external id", holder));
        }
        if let (None, true, Some(key)) = (found, self.unique_emails, self.email_of(wanted))
            && current.is_none_or(|current| self.email_of(current) != Some(key))
        {
            let inside = self.places(|contact| self.email_of(contact) == Some(key));
            found = self
                .holder(own, &inside, &self.email_holders, key)
                .map(|holder| ("email", "Another contact has this e-mail address", holder));
        }
        let (field, what, holder) = found?;
        let mut fault = Fault { code: "CONFLICT", ..Fault::field(field, what) };
        fault.details.insert("existingId".into(), holder.to_string());
        Some(fault)
    }

    /// Who has a value: what the batch has changed counts as it is now, everybody else as the database has them.
    fn holder(
        &self,
        own: Option<usize>,
        inside: &[usize],
        outside: &[(String, ContactId)],
        value: &str,
    ) -> Option<ContactId> {
        let known = |id: ContactId| self.slots.iter().any(|slot| slot.after.id == id);
        let inside = inside.iter().find(|place| Some(**place) != own);
        inside.map(|place| self.slots[*place].after.id).or_else(|| {
            let mut outside = outside.iter().filter(|(held, id)| held == value && !known(*id));
            outside.next().map(|(_, id)| *id)
        })
    }

    /// Writes everything that has changed.
    pub(super) async fn write(&self, tx: &mut TenantTx) -> sqlx::Result<()> {
        let (mut new, mut changed, mut freed, mut gone) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slot in &self.slots {
            let Slot { before, after, .. } = slot;
            match before {
                _ if slot.gone => gone.push(after.id.0),
                None => new.push(after),
                Some(before) if before != after => {
                    changed.push(after);
                    let loses = |before: &Option<String>, after: &Option<String>| {
                        before.is_some() && before != after
                    };
                    if self.unique_emails && loses(&before.email, &after.email)
                        || loses(&before.external_id, &after.external_id)
                    {
                        freed.push(after.id.0);
                    }
                }
                Some(_) => {}
            }
        }
        if !gone.is_empty() {
            store::delete(tx, &gone).await?;
        }
        if !freed.is_empty() {
            store::free(tx, &freed).await?;
        }
        if !changed.is_empty() {
            store::update(tx, &changed).await?;
        }
        if !new.is_empty() {
            store::insert(tx, &new).await?;
        }
        Ok(())
    }
}
