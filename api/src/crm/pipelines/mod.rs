//! Pipelines: the rules. Stages are parts of their pipeline, written under the lock of its row; leads leave a stage
//! before it goes.

mod http;
mod stages;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::{PipelineId, StageId, TenantId};
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::leads::{self, NO_STAGE};
use crate::changes::{self, Events, Tracked};
use crate::error::{Error, Result};
use crate::http::expand::{self, Records};
use crate::http::fields::{Fields, Input};
use crate::http::{IfMatch, Listed, Representation, Resource, rules};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;
use stages::Changed;
pub use stages::{Changed as StageChange, Stage, WantedStage};

/// The way that leads go.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Sales", "stages": [
    {"id": "01a2036c-0d4c-7400-87c8-25f570a5ef31", "name": "Qualified", "displayOrder": 0}]}))]
pub struct Pipeline {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: PipelineId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// By `displayOrder`.
    #[schema(value_type = Vec<Stage>)]
    pub stages: Json<Vec<Stage>>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// What a pipeline is created from.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({"name": "Sales", "stages": [
    {"name": "New", "displayOrder": 0}, {"name": "Qualified", "displayOrder": 1}, {"name": "Won", "displayOrder": 2}]}))]
pub struct NewPipeline {
    /// 1 to 100 characters.
    pub name: String,
    /// 1 to 50 stages.
    pub stages: Vec<WantedStage>,
}

/// What changes in a pipeline: absent fields stay.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(example = json!({"name": "Sales Europe"}))]
pub struct PipelinePatch {
    /// Replaces the name.
    pub name: Option<String>,
    /// All stages that the pipeline is to have: others are removed.
    pub stages: Option<Vec<WantedStage>>,
}

/// What `pipeline.stage.updated` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageUpdated<'a> {
    pipeline_id: PipelineId,
    /// The pipeline's, so that receivers can order what they hear.
    version: i32,
    #[serde(flatten)]
    changed: &'a Changed,
}

impl Representation for Pipeline {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

/// Extensions tell of a pipeline as a whole, `pipeline.stage.updated` of each of its stages (requirements E-10, E-13).
impl Tracked for Pipeline {
    const TYPE: &'static str = "pipeline";
    const EVENTS: Option<Events> = Some(Events {
        created: EventType::PipelineCreated,
        updated: EventType::PipelineUpdated,
        deleted: EventType::PipelineDeleted,
    });

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for PipelineId {
    const NAME: &'static str = "Pipeline";
}

impl Input for NewPipeline {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let name = fields.required("name", rules::line(100));
        let stages = fields.required("stages", stages::wanted(targets));
        Some(Self { name: name?, stages: stages? })
    }
}

impl Input for PipelinePatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let name = fields.replaced("name", rules::line(100));
        let stages = fields.replaced("stages", stages::wanted(targets));
        Some(Self { name: name?, stages: stages? })
    }
}

/// What lists of pipelines can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "name", sql: "name_key", kind: Kind::Folded },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at"), ("updatedAt", "updated_at"), ("name", "name_key")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// One page of the tenant's pipelines.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Pipeline>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// Stores a pipeline and announces it and each of its stages.
///
/// # Errors
/// The database's.
pub async fn create(tx: &mut TenantTx, new: NewPipeline) -> Result<Pipeline> {
    let now = tx.now();
    let pipeline = Pipeline {
        id: PipelineId::fresh(now),
        tenant_id: tx.tenant(),
        name: new.name,
        stages: Json(stages::new(new.stages, || StageId::fresh(now))),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &pipeline).await?;
    changes::created(tx, &pipeline)?;
    announce(tx, &pipeline, &stages::changes(&[], &pipeline.stages))?;
    Ok(pipeline)
}

/// The pipeline.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: PipelineId) -> Result<Pipeline> {
    store::find(tx, id).await?.ok_or_else(PipelineId::not_found)
}

/// Those of the pipelines that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_all(tx, ids).await?, |pipeline| pipeline.id.0)
}

/// Those of the stages that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred_stages(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_stages(tx, ids).await?, |stage| stage.id.0)
}

/// Whether so many leads are in the stages that would go that to move them takes time: all of the pipeline's, or those
/// that it is not to have any more.
///
/// # Errors
/// The database's.
pub async fn moves_many(
    tx: &mut TenantTx,
    id: PipelineId,
    wanted: Option<Vec<WantedStage>>,
) -> Result<bool> {
    let Some(pipeline) = store::find(tx, id).await? else { return Ok(false) };
    let mut gone: Vec<_> = pipeline.stages.iter().map(|stage| stage.id).collect();
    if let Some(wanted) = wanted {
        let now = tx.now();
        // What is wrong with them is said later.
        let kept = stages::merged(&pipeline.stages, wanted, || StageId::fresh(now));
        let Ok(kept) = kept else { return Ok(false) };
        gone.retain(|id| kept.iter().all(|stage| stage.id != *id));
    }
    leads::are_many_in(tx, &gone).await
}

/// Merges a change into a pipeline and announces it and each stage that is no longer what it was. Leads in stages that
/// go move to the stage `to`.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`] for a stage that does not exist,
/// [`Error::PipelineNotEmpty`].
pub async fn update(
    tx: &mut TenantTx,
    id: PipelineId,
    seen: &IfMatch,
    patch: PipelinePatch,
    to: Option<StageId>,
) -> Result<Pipeline> {
    let before = lock(tx, id, to).await?.ok_or_else(PipelineId::not_found)?;
    seen.check(before.version)?;
    let destination = destination(tx, to).await?;
    let (mut after, now) = (before.clone(), tx.now());
    if let Some(name) = patch.name {
        after.name = name;
    }
    if let Some(wanted) = patch.stages {
        after.stages.0 = stages::merged(&before.stages, wanted, || StageId::fresh(now))?;
    }
    if after == before {
        return Ok(before);
    }
    changes::touch(&mut after.version, &mut after.updated_at, now);
    let gone = before.stages.iter().map(|stage| stage.id);
    let gone: Vec<_> = gone.filter(|id| after.stages.iter().all(|stage| stage.id != *id)).collect();
    store::update(tx, &after).await?;
    take_down(tx, &gone, destination.as_ref()).await?;
    changes::updated(tx, &before, &after)?;
    announce(tx, &after, &stages::changes(&before.stages, &after.stages))?;
    Ok(after)
}

/// Deletes a pipeline for good and announces its end and that of each of its stages. Its leads move to the stage `to`.
///
/// # Errors
/// As for [`update`].
pub async fn remove(
    tx: &mut TenantTx,
    id: PipelineId,
    seen: &IfMatch,
    to: Option<StageId>,
) -> Result<()> {
    let pipeline = lock(tx, id, to).await?.ok_or_else(PipelineId::not_found)?;
    seen.check(pipeline.version)?;
    let destination = destination(tx, to).await?;
    let gone: Vec<_> = pipeline.stages.iter().map(|stage| stage.id).collect();
    take_down(tx, &gone, destination.as_ref()).await?;
    store::delete(tx, id).await?;
    let last = Pipeline { version: pipeline.version + 1, ..pipeline.clone() };
    changes::deleted_as(tx, &pipeline, &last)?;
    announce(tx, &last, &stages::changes(&pipeline.stages, &[]))
}

/// Takes the pipeline, and the one of the stage that leads are to move to: pipelines before stages and in the order of
/// their ids, so that two that move leads into each other wait for one another and not both.
async fn lock(tx: &mut TenantTx, id: PipelineId, to: Option<StageId>) -> Result<Option<Pipeline>> {
    let other = match to {
        Some(to) => store::pipeline_of(tx, to).await?.filter(|other| *other != id),
        None => None,
    };
    let mut found = None;
    let mut all: Vec<_> = other.into_iter().chain([id]).collect();
    all.sort_unstable_by_key(|pipeline| pipeline.0);
    for one in all {
        if one == id {
            found = store::lock(tx, id).await?;
        } else {
            store::keep(tx, one).await?;
        }
    }
    Ok(found)
}

/// Where leads are to move, kept until the transaction ends. Its pipeline is taken already: see [`lock`].
async fn destination(tx: &mut TenantTx, to: Option<StageId>) -> Result<Option<leads::Place>> {
    let Some(to) = to else { return Ok(None) };
    let place = leads::place(tx, to).await?;
    place.map(Some).ok_or_else(|| Error::field("moveLeadsTo", NO_STAGE))
}

/// Removes stages, after their leads.
async fn take_down(
    tx: &mut TenantTx,
    gone: &[StageId],
    destination: Option<&leads::Place>,
) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    store::close(tx, gone).await?;
    match destination {
        Some(place) if gone.contains(&place.stage_id) => {
            return Err(Error::field("moveLeadsTo", "Is a stage that would be removed"));
        }
        Some(place) => leads::move_all(tx, gone, place).await?,
        None => match leads::count_in(tx, gone).await? {
            0 => {}
            leads => return Err(Error::PipelineNotEmpty(leads)),
        },
    }
    leads::move_deleted(tx, gone, destination).await?;
    Ok(store::delete_stages(tx, gone).await?)
}

fn announce(tx: &mut TenantTx, pipeline: &Pipeline, changed: &[Changed]) -> Result<()> {
    let (pipeline_id, version) = (pipeline.id, pipeline.version);
    for changed in changed {
        let told = StageUpdated { pipeline_id, version, changed };
        tx.emit(EventType::PipelineStageUpdated, &told)?;
    }
    Ok(())
}
