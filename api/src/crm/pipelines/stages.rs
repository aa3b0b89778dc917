//! The stages of a pipeline: what a caller may say of them, and what differs between those that are there and those
//! that are wanted (requirement P-9). No database here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::id::StageId;
use shared::webhook::target::TargetPolicy;
use utoipa::ToSchema;

use crate::crm::leads::NO_STAGE;
use crate::error::{Details, Error, Result};
use crate::http::describe::Body;
use crate::http::fields::{Checked, Fault, Fields, Input};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};

/// The most stages of a pipeline (requirement P-7).
const MOST: usize = 50;

/// A stage of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Its id, which it keeps under other names and in other places.
    #[schema(value_type = Uuid)]
    pub id: StageId,
    /// 1 to 100 characters, in any case unique in the pipeline.
    pub name: String,
    /// Where it stands in the pipeline.
    pub display_order: i32,
}

/// A stage as a caller wants it.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"name": "Qualified", "displayOrder": 1}))]
pub struct WantedStage {
    /// Which one it is; without it the one with this name, or a new one. Read when a pipeline is changed.
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<StageId>,
    /// 1 to 100 characters, in any case unique in the pipeline.
    pub name: String,
    /// Where it stands in the pipeline; unique there.
    pub display_order: i32,
}

impl Input for WantedStage {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let id = fields.optional("id", rules::id());
        let name = fields.required("name", rules::line(100));
        let display_order = fields.required("displayOrder", rules::integer(0..=i32::MAX.into()));
        let display_order = i32::try_from(display_order?).ok();
        Some(Self { id: id?, name: name?, display_order: display_order? })
    }
}

/// The rule of `stages`: 1 to 50 stages, no name, place or id twice.
pub(super) fn wanted(targets: &TargetPolicy) -> impl Rule<Vec<WantedStage>> {
    Wanted(rules::list(1..=MOST, rules::record(targets)))
}

struct Wanted<R>(R);

impl<R: Rule<Vec<WantedStage>>> Rule<Vec<WantedStage>> for Wanted<R> {
    fn check(&self, value: Value) -> Checked<Vec<WantedStage>> {
        let mut faults = repeated(&value);
        match self.0.check(value) {
            Ok(stages) if faults.is_empty() => return Ok(stages),
            Ok(_) => {}
            // What is wrong with a stage by itself comes first.
            Err(fault) => faults.extend(fault.at("")),
        }
        Err(Fault::inside(faults))
    }

    fn schema(&self, inner: &mut Vec<Body>) -> serde_json::Value {
        self.0.schema(inner)
    }
}

/// What is there a second time, also beside stages that are wrong in other ways.
fn repeated(stages: &Value) -> Details {
    let mut faults = Details::new();
    let mut seen = BTreeSet::new();
    let Value::Array(stages) = stages else { return faults };
    for (place, stage) in stages.iter().enumerate() {
        let Value::Object(members) = stage else { continue };
        for member in ["id", "name", "displayOrder"] {
            let value = match members.get(member) {
                Some(Value::String(text)) => folded(text.trim()),
                Some(Value::Number(number)) => format!("{:?}", number.units(0)),
                _ => continue,
            };
            if !seen.insert((member, value)) {
                faults.insert(format!("[{place}].{member}"), "Is given twice".to_owned());
            }
        }
    }
    faults
}

/// Names are the same when only their case differs.
fn folded(name: &str) -> String {
    name.to_lowercase()
}

// Requirement P-11.
/// What happened to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StageChangeKind)]
pub enum Change {
    /// It is new.
    Added,
    /// It has another name.
    Updated,
    /// It is gone.
    Removed,
    /// It stands elsewhere.
    Reordered,
}

/// One stage that is no longer what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StageChange)]
#[schema(example = json!({"change": "added", "stage":
    {"id": "01a2036c-0d4c-7400-87c8-25f570a5ef31", "name": "Qualified", "displayOrder": 0}}))]
pub struct Changed {
    /// The stage now; of a removed one its last state.
    pub stage: Stage,
    /// The stage before; none when it is new.
    pub previous: Option<Stage>,
    /// How.
    pub change: Change,
}

impl Changed {
    pub(super) fn added(stage: &Stage) -> Self {
        Self { stage: stage.clone(), previous: None, change: Change::Added }
    }

    pub(super) fn removed(stage: &Stage) -> Self {
        Self { stage: stage.clone(), previous: Some(stage.clone()), change: Change::Removed }
    }

    /// None when nothing changed.
    fn between(before: &Stage, after: &Stage) -> Option<Self> {
        let change = if before.name != after.name {
            Change::Updated
        } else if before.display_order != after.display_order {
            Change::Reordered
        } else {
            return None;
        };
        Some(Self { stage: after.clone(), previous: Some(before.clone()), change })
    }
}

/// New stages in their order.
pub(super) fn new(wanted: Vec<WantedStage>, fresh: impl Fn() -> StageId) -> Vec<Stage> {
    let stage = |wanted: WantedStage| Stage {
        id: fresh(),
        name: wanted.name,
        display_order: wanted.display_order,
    };
    sorted(wanted.into_iter().map(stage).collect())
}

/// The stages after a change, each wanted one being the one with its id, else the one with its name, else a new one.
///
/// # Errors
/// [`Error::Invalid`] for ids that are none of this pipeline's.
pub(super) fn merged(
    before: &[Stage],
    wanted: Vec<WantedStage>,
    fresh: impl Fn() -> StageId,
) -> Result<Vec<Stage>> {
    let mut faults = Details::new();
    let named: BTreeSet<StageId> = wanted.iter().filter_map(|wanted| wanted.id).collect();
    let mut after = Vec::with_capacity(wanted.len());
    for (place, wanted) in wanted.into_iter().enumerate() {
        let known = match wanted.id {
            Some(id) => {
                if !before.iter().any(|stage| stage.id == id) {
                    faults.insert(format!("stages[{place}].id"), NO_STAGE.to_owned());
                }
                Some(id)
            }
            // One that is named by its id elsewhere in the list gets another name there.
            None => before
                .iter()
                .find(|stage| {
                    folded(&stage.name) == folded(&wanted.name) && !named.contains(&stage.id)
                })
                .map(|stage| stage.id),
        };
        let id = known.unwrap_or_else(&fresh);
        after.push(Stage { id, name: wanted.name, display_order: wanted.display_order });
    }
    if faults.is_empty() { Ok(sorted(after)) } else { Err(Error::Invalid(faults)) }
}

/// Every stage that is no longer what it was: those that are there in their order, then those that are gone.
pub(super) fn changes(before: &[Stage], after: &[Stage]) -> Vec<Changed> {
    let old: BTreeMap<StageId, &Stage> = before.iter().map(|stage| (stage.id, stage)).collect();
    let there = after.iter().filter_map(|stage| match old.get(&stage.id) {
        Some(before) => Changed::between(before, stage),
        None => Some(Changed::added(stage)),
    });
    let gone = before.iter().filter(|stage| !after.iter().any(|other| other.id == stage.id));
    there.chain(gone.map(Changed::removed)).collect()
}

fn sorted(mut stages: Vec<Stage>) -> Vec<Stage> {
    stages.sort_by_key(|stage| stage.display_order);
    stages
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> StageId {
        StageId(Uuid::from_u128(number))
    }

    fn stage(number: u128, name: &str, display_order: i32) -> Stage {
        Stage { id: id(number), name: name.to_owned(), display_order }
    }

    fn want(id: Option<StageId>, name: &str, display_order: i32) -> WantedStage {
        WantedStage { id, name: name.to_owned(), display_order }
    }

    #[test]
    fn a_stage_is_known_by_its_id_else_by_its_name_and_each_difference_is_told_once() {
        let before = [stage(1, "New", 0), stage(2, "Won", 1), stage(3, "Lost", 2)];
        let wanted = vec![
            want(None, "LOST", 1),       // another spelling is another name
            want(Some(id(2)), "Won", 5), // only moved
            want(None, "Qualified", 0),
        ];
        let after = merged(&before, wanted, || id(9)).unwrap();
        assert_eq!(after, [stage(9, "Qualified", 0), stage(3, "LOST", 1), stage(2, "Won", 5)]);
        let told: Vec<_> =
            changes(&before, &after).into_iter().map(|c| (c.stage.id, c.change)).collect();
        assert_eq!(
            told,
            [
                (id(9), Change::Added),
                (id(3), Change::Updated),
                (id(2), Change::Reordered),
                (id(1), Change::Removed),
            ]
        );
        assert!(changes(&after, &after).is_empty());
    }

    #[test]
    fn two_stages_can_swap_their_names_by_id_and_a_freed_name_is_a_new_stage() {
        let before = [stage(1, "A", 0), stage(2, "B", 1)];
        let swapped = vec![want(Some(id(1)), "B", 0), want(Some(id(2)), "A", 1)];
        let after = merged(&before, swapped, || id(9)).unwrap();
        assert_eq!(after, [stage(1, "B", 0), stage(2, "A", 1)]);
        let freed = vec![want(Some(id(1)), "C", 0), want(None, "A", 1)];
        let after = merged(&before, freed, || id(9)).unwrap();
        assert_eq!(after, [stage(1, "C", 0), stage(9, "A", 1)]);
    }
}
