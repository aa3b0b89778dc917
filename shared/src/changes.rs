//! What a change leaves behind: an entry in the audit log and, for records that webhooks hear of, an event.
//! Both carry one id and join the transaction of the change.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::Result;
use uuid::Uuid;

use crate::audit::Entry;
use crate::db::creation::Creation;
use crate::db::{TenantTx, json};
use crate::event::EventType;
use crate::id::EventId;
use crate::subject::Subject;

/// Members that change with every update and say nothing by themselves.
const BOOKKEEPING: [&str; 2] = ["updatedAt", "version"];

/// Counts a change of a record. Whoever waited for the row began before the one it waited for: time does not run
/// backwards for readers.
pub fn touch(version: &mut i32, updated_at: &mut DateTime<Utc>, now: DateTime<Utc>) {
    *version += 1;
    *updated_at = now.max(*updated_at);
}

/// A record whose changes are kept, and announced when it has events.
pub trait Tracked: Serialize {
    /// What it is called in the audit log: singular, lower case.
    const TYPE: &'static str;
    /// The events that tell of it.
    const EVENTS: Option<Events> = None;

    /// Its id.
    fn id(&self) -> Uuid;
}

/// The three events of a record.
pub struct Events {
    /// It came into being.
    pub created: EventType,
    /// It changed.
    pub updated: EventType,
    /// It was removed.
    pub deleted: EventType,
}

/// A record after an update, with the former values of what changed.
#[derive(Serialize)]
struct Updated<'a, T: Serialize> {
    #[serde(flatten)]
    record: &'a T,
    previous: &'a Members,
}

/// A record that came back.
#[derive(Serialize)]
struct Restored<'a, T: Serialize> {
    #[serde(flatten)]
    record: &'a T,
    restored: bool,
}

/// A new record.
///
/// # Errors
/// [`sqlx::Error::Encode`] when it does not serialise.
pub fn created<T: Tracked>(tx: &mut TenantTx, record: &T) -> Result<()> {
    let document = json(record)?;
    let announced = T::EVENTS.map(|events| tell(tx, events.created, &document));
    keep(tx, announced.map(|id| id.0), record, "created", None, Some(document));
    Ok(())
}

/// A new record that was announced in another form than its own.
///
/// # Errors
/// As for [`created`].
pub fn created_announced_apart<T: Tracked>(
    tx: &mut TenantTx,
    record: &T,
    event: EventId,
) -> Result<()> {
    keep(tx, Some(event.0), record, "created", None, Some(json(record)?));
    Ok(())
}

/// A new record whose event and entry are written by the statement that stores it: [`insert!`](crate::insert).
///
/// # Errors
/// As for [`created`].
pub fn creation<T: Tracked>(tx: &mut TenantTx, record: &T) -> Result<Creation> {
    let id = EventId(tx.fresh_id());
    let event = T::EVENTS.map(|events| events.created).filter(|_| tx.announces());
    let (tenant, now, origin) = (tx.tenant(), tx.now(), tx.origin().clone());
    let (record_type, record_id, document) = (T::TYPE, record.id(), json(record)?);
    let (about, rings) = (Subject::of(&document), false);
    debug_assert_eq!(about.record, Some(record_id), "the document is of another record");
    let version = about.version;
    Ok(Creation {
        rings,
        tenant,
        now,
        origin,
        id,
        event,
        record_type,
        record_id,
        version,
        document,
    })
}

/// A record that differs from what it was before; the id of the entry, and of the event that tells of it if one does.
///
/// # Errors
/// As for [`created`].
pub fn updated<T: Tracked>(tx: &mut TenantTx, before: &T, record: &T) -> Result<EventId> {
    let (previous, current) = differences(before, record)?;
    let updated = Updated { record, previous: &previous };
    let announced = T::EVENTS.map(|events| tx.emit(events.updated, &updated)).transpose()?;
    let (before, after) = (json(&previous)?, json(&current)?);
    let id = announced.unwrap_or_else(|| EventId(tx.fresh_id()));
    keep(tx, Some(id.0), record, "updated", Some(before), Some(after));
    Ok(id)
}

/// A record that is gone, as it was last.
///
/// # Errors
/// As for [`created`].
pub fn deleted<T: Tracked>(tx: &mut TenantTx, record: &T) -> Result<()> {
    deleted_as(tx, record, record)
}

/// The same of one whose end has a version of its own: `before` is kept, `last` is told.
///
/// # Errors
/// As for [`created`].
pub fn deleted_as<T: Tracked>(tx: &mut TenantTx, before: &T, last: &T) -> Result<()> {
    let announced = T::EVENTS.map(|events| tx.emit(events.deleted, last)).transpose()?;
    keep(tx, announced.map(|id| id.0), before, "deleted", Some(json(before)?), None);
    Ok(())
}

/// A record that was deleted and is there again: announced like a new one, with `restored: true`.
///
/// # Errors
/// As for [`created`].
pub fn restored<T: Tracked>(tx: &mut TenantTx, record: &T) -> Result<()> {
    let back = Restored { record, restored: true };
    let announced = T::EVENTS.map(|events| tx.emit(events.created, &back)).transpose()?;
    keep(tx, announced.map(|id| id.0), record, "restored", None, Some(json(record)?));
    Ok(())
}

/// Anything else that was done to a record, for the audit log only.
pub fn noted<T: Tracked>(tx: &mut TenantTx, record: &T, verb: &str) {
    keep(tx, None, record, verb, None, None);
}

/// Something that was done to what is no record of the product's, such as a session, for the audit log only.
///
/// # Errors
/// As for [`created`].
pub fn logged(
    tx: &mut TenantTx,
    record: (&'static str, Uuid),
    verb: &str,
    after: &impl Serialize,
) -> Result<()> {
    replaced(tx, record, verb, None::<&()>, after)
}

/// The same with what was there before.
///
/// # Errors
/// As for [`created`].
pub fn replaced(
    tx: &mut TenantTx,
    (record_type, record_id): (&'static str, Uuid),
    verb: &str,
    before: Option<&impl Serialize>,
    after: &impl Serialize,
) -> Result<()> {
    let (id, action) = (tx.fresh_id(), format!("{record_type}.{verb}"));
    let (before, after) = (before.map(json).transpose()?, Some(json(after)?));
    tx.audit(Entry { id, action, record_type, record_id, before, after });
    Ok(())
}

fn tell(tx: &mut TenantTx, event: EventType, document: &str) -> EventId {
    let id = EventId(tx.fresh_id());
    tx.emit_text(id, event, document.to_owned());
    id
}

fn keep<T: Tracked>(
    tx: &mut TenantTx,
    id: Option<Uuid>,
    record: &T,
    verb: &str,
    before: Option<String>,
    after: Option<String>,
) {
    let id = id.unwrap_or_else(|| tx.fresh_id());
    let action = format!("{}.{verb}", T::TYPE);
    tx.audit(Entry { id, action, record_type: T::TYPE, record_id: record.id(), before, after });
}

/// Members as they are written: numbers keep every digit.
type Members = BTreeMap<String, Box<RawValue>>;

/// The members that differ, as they were and as they are, in the form that readers see.
fn differences<T: Serialize>(before: &T, after: &T) -> Result<(Members, Members)> {
    let members = |record: &T| -> Result<Members> {
        serde_json::from_str(&json(record)?).map_err(|error| sqlx::Error::Encode(error.into()))
    };
    let (mut previous, mut current) = (members(before)?, members(after)?);
    let changed: Vec<String> = current
        .iter()
        .filter(|(name, now)| previous.get(*name).is_none_or(|then| then.get() != now.get()))
        .map(|(name, _)| name.clone())
        .filter(|name| !BOOKKEEPING.contains(&name.as_str()))
        .collect();
    previous.retain(|name, _| changed.contains(name));
    current.retain(|name, _| changed.contains(name));
    Ok((previous, current))
}
