//! How leads go through stages: each move is an entry of the lead's history, an activity of the system's and
//! `lead.moved_to_stage`, all in the transaction that moves it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::{EventId, LeadId, PipelineId, StageId};
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::place::{self, Destination, Place};
use super::{CONVERTED, Lead, show, store};
use crate::changes;
use crate::crm::activities::{self, Happened};
use crate::crm::actor::DoneBy;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::{Listed, Representation};
use crate::list::{Column, Kind, List, ListQuery, Source};

/// Leads that are moved at once: as many as are held in memory.
const BATCH: i64 = 1_000;

/// A step of a lead.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"to": {"pipelineId": "01a2036c-0d4c-7400-87c8-25f570a5ef30",
    "stageId": "01a2036c-0d4c-7400-87c8-25f570a5ef31", "name": "Qualified"},
    "by": {"type": "user", "id": "01a2036c-0d4c-7400-87c8-25f570a5ef22"}}))]
pub struct StageMove {
    /// Its id; of a move that of the event `lead.moved_to_stage`.
    pub id: Uuid,
    /// The lead.
    #[schema(value_type = Uuid)]
    pub lead_id: LeadId,
    /// Where it stood; `null` when it was in no pipeline.
    #[schema(required, value_type = Option<Place>)]
    pub from: Option<Json<Place>>,
    /// Where it went; `null` when it left its pipeline.
    #[schema(required, value_type = Option<Place>)]
    pub to: Option<Json<Place>>,
    /// Who moved it.
    #[schema(value_type = DoneBy)]
    pub by: Json<DoneBy>,
    /// When.
    #[serde(serialize_with = "clock::serialize")]
    pub at: DateTime<Utc>,
}

impl Representation for StageMove {}

/// What a lead's history can be asked.
pub static HISTORY: List = List {
    columns: &[Column { name: "at", sql: "moved_at", kind: Kind::Time }],
    sorts: &[("at", "moved_at")],
    default_sort: "-at",
    search: None,
    expansions: &[],
};

const COLUMNS: &str = "id, lead_id, moved_at as at, json_build_object('type', actor_type, 'id', actor_id) as by,
    case when from_stage_id is not null then json_build_object(
        'pipelineId', from_pipeline_id, 'stageId', from_stage_id, 'name', from_name) end as \"from\",
    case when to_stage_id is not null then json_build_object(
        'pipelineId', to_pipeline_id, 'stageId', to_stage_id, 'name', to_name) end as \"to\"";

/// One page of a lead's steps, the last one first.
///
/// # Errors
/// [`Error::NotFound`] without such a lead.
pub async fn history(
    tx: &mut TenantTx,
    id: LeadId,
    query: &ListQuery,
) -> Result<Listed<StageMove>> {
    show(tx, id).await?;
    let source = Source {
        columns: COLUMNS,
        table: "lead_stage_history",
        condition: "true",
        inside: Some(("lead_id", id.0)),
    };
    Ok(query.fetch(tx, &source).await?)
}

/// What `lead.moved_to_stage` tells.
#[derive(Serialize)]
struct Moved<'a> {
    #[serde(flatten)]
    lead: &'a Lead,
    from: Option<&'a Place>,
    to: &'a Place,
}

/// One lead's step.
struct Step<'a> {
    lead: &'a Lead,
    from: Option<&'a Place>,
    to: Option<&'a Place>,
    /// The event that tells of it.
    event: EventId,
}

/// Keeps where a new lead begins.
///
/// # Errors
/// The database's.
pub(super) async fn entered(tx: &mut TenantTx, lead: &Lead, to: &Place) -> Result<()> {
    let event = EventId(tx.fresh_id());
    Ok(insert(tx, &[Step { lead, from: None, to: Some(to), event }]).await?)
}

/// Keeps where a restored lead came to while it was deleted, when its stage was removed meanwhile. Its `lead.created`
/// tells it.
///
/// # Errors
/// The database's.
pub(super) async fn returned(tx: &mut TenantTx, lead: &Lead) -> Result<()> {
    let from = last(tx, lead.id).await?;
    if from.as_ref().map(|place| place.stage_id) == lead.stage_id {
        return Ok(());
    }
    let to = place::known(tx, lead.stage_id.as_slice()).await?.pop();
    let event = EventId(tx.fresh_id());
    Ok(insert(tx, &[Step { lead, from: from.as_ref(), to: to.as_ref(), event }]).await?)
}

/// Where a lead went last, as its history says.
async fn last(tx: &mut TenantTx, lead: LeadId) -> sqlx::Result<Option<Place>> {
    let last = sqlx::query!(
        r#"select to_pipeline_id as "pipeline_id: PipelineId", to_stage_id as "stage_id: StageId", to_name
           from lead_stage_history where lead_id = $1 order by moved_at desc, id desc limit 1"#,
        lead.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(last.and_then(|row| {
        Some(Place { pipeline_id: row.pipeline_id?, stage_id: row.stage_id?, name: row.to_name? })
    }))
}

/// Announces a change of one lead, and what it is besides: its conversion, its move when it is in another stage now.
///
/// # Errors
/// The database's.
pub(super) async fn told(
    tx: &mut TenantTx,
    before: &Lead,
    after: &Lead,
    destination: &Destination,
) -> Result<()> {
    let mut event = changes::updated(tx, before, after)?;
    if before.status != CONVERTED && after.status == CONVERTED {
        let converted = Happened::to(after, event, "Converted".to_owned(), None);
        activities::happened(tx, vec![converted]).await?;
        // What is told of a pipeline that it left is an entry of its own.
        event = EventId(tx.fresh_id());
    }
    if before.stage_id == after.stage_id {
        return Ok(());
    }
    let from = place::known(tx, before.stage_id.as_slice()).await?.pop();
    let step = Step { lead: after, from: from.as_ref(), to: destination.place(), event };
    keep(tx, vec![step]).await
}

/// How many leads stand in these stages.
///
/// # Errors
/// The database's.
pub async fn count_in(tx: &mut TenantTx, stages: &[StageId]) -> Result<i64> {
    Ok(store::count_in(tx, &ids(stages)).await?)
}

/// Moves all leads of these stages, which nobody can enter any more, and announces each: in batches, so that
/// memory does not grow with their number.
///
/// # Errors
/// The database's.
pub async fn move_all(tx: &mut TenantTx, stages: &[StageId], to: &Place) -> Result<()> {
    let (now, from) = (tx.now(), place::known(tx, stages).await?);
    let stages = ids(stages);
    loop {
        let leads = store::lock_in(tx, &stages, BATCH).await?;
        if leads.is_empty() {
            break;
        }
        let ids: Vec<Uuid> = leads.iter().map(|lead| lead.id.0).collect();
        store::move_to(tx, &ids, to.pipeline_id, to.stage_id).await?;
        let mut moved = leads.clone();
        let mut steps = Vec::with_capacity(moved.len());
        for (before, lead) in leads.iter().zip(&mut moved) {
            (lead.pipeline_id, lead.stage_id) = (Some(to.pipeline_id), Some(to.stage_id));
            lead.touch(now);
            let event = changes::updated(tx, before, lead)?;
            let from = from.iter().find(|place| Some(place.stage_id) == before.stage_id);
            steps.push(Step { lead, from, to: Some(to), event });
        }
        keep(tx, steps).await?;
        tx.flush().await?;
    }
    Ok(())
}

/// Moves the deleted leads of these stages, which nobody can enter any more, so that one that is restored comes back to
/// where the others went, or to no stage. In batches, too: a statement has only so much time.
///
/// # Errors
/// The database's.
pub async fn move_deleted(tx: &mut TenantTx, stages: &[StageId], to: Option<&Place>) -> Result<()> {
    for stage in stages {
        let mut after = Some(Uuid::nil());
        while let Some(last) = after {
            after = store::move_deleted(tx, (*stage, last), to, BATCH).await?.into_iter().max();
        }
    }
    Ok(())
}

/// Whether so many leads are in these stages, deleted or not, that to move them all takes time.
///
/// # Errors
/// The database's.
pub async fn are_many_in(tx: &mut TenantTx, stages: &[StageId]) -> Result<bool> {
    Ok(store::are_more_in(tx, &ids(stages), BATCH).await?)
}

fn ids(stages: &[StageId]) -> Vec<Uuid> {
    stages.iter().map(|stage| stage.0).collect()
}

/// Keeps steps and tells of them.
async fn keep(tx: &mut TenantTx, mut steps: Vec<Step<'_>>) -> Result<()> {
    let mut entries = Vec::with_capacity(steps.len());
    for step in &mut steps {
        let (subject, body) = match (step.from, step.to) {
            (from, Some(to)) => {
                let moved = Moved { lead: step.lead, from, to };
                step.event = tx.emit(EventType::LeadMovedToStage, &moved)?;
                (format!("Moved to {}", to.name), from.map(|from| format!("From {}", from.name)))
            }
            (Some(from), None) => (format!("Left {}", from.name), None),
            (None, None) => continue,
        };
        entries.push(Happened::to(step.lead, step.event, subject, body));
    }
    insert(tx, &steps).await?;
    activities::happened(tx, entries).await
}

/// Each behind the one before it: whoever waited for the lead began before who moved it meanwhile.
async fn insert(tx: &mut TenantTx, steps: &[Step<'_>]) -> sqlx::Result<()> {
    let (tenant, now, actor) = (tx.tenant(), tx.now(), tx.actor());
    let entries: Vec<Uuid> = steps.iter().map(|step| step.event.0).collect();
    let leads: Vec<Uuid> = steps.iter().map(|step| step.lead.id.0).collect();
    let from = Places::of(steps.iter().map(|step| step.from));
    let to = Places::of(steps.iter().map(|step| step.to));
    sqlx::query!(
        "insert into lead_stage_history (tenant_id, id, lead_id, from_pipeline_id, from_stage_id, from_name,
                                         to_pipeline_id, to_stage_id, to_name, actor_type, actor_id, moved_at)
         select $1, s.*, $10, $11, greatest($12, (
             select max(h.moved_at) + interval '1 microsecond' from lead_stage_history h where h.lead_id = s.lead_id))
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::text[])
              s (id, lead_id, from_pipeline, from_stage, from_name, to_pipeline, to_stage, to_name)",
        tenant.0,
        &entries,
        &leads,
        &from.pipelines as &[Option<Uuid>],
        &from.stages as &[Option<Uuid>],
        &from.names as &[Option<String>],
        &to.pipelines as &[Option<Uuid>],
        &to.stages as &[Option<Uuid>],
        &to.names as &[Option<String>],
        actor.kind(),
        actor.id(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Places as columns.
#[derive(Default)]
struct Places {
    pipelines: Vec<Option<Uuid>>,
    stages: Vec<Option<Uuid>>,
    names: Vec<Option<String>>,
}

impl Places {
    fn of<'a>(places: impl Iterator<Item = Option<&'a Place>>) -> Self {
        let mut columns = Self::default();
        for place in places {
            columns.pipelines.push(place.map(|place| place.pipeline_id.0));
            columns.stages.push(place.map(|place| place.stage_id.0));
            columns.names.push(place.map(|place| place.name.clone()));
        }
        columns
    }
}
