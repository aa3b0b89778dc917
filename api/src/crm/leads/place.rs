//! Where a lead stands: a stage and so its pipeline, or nowhere (requirement L-10). A stage is taken before the lead
//! itself, and kept until the transaction ends, so that it cannot go meanwhile.

use serde::{Deserialize, Serialize};
use shared::TenantTx;
use shared::id::{PipelineId, StageId};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Details;
use crate::http::fields::Change;

/// A stage that leads stand in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Qualified"}))]
pub struct Place {
    /// Its pipeline.
    #[schema(value_type = Uuid)]
    pub pipeline_id: PipelineId,
    /// The stage.
    #[schema(value_type = Uuid)]
    pub stage_id: StageId,
    /// The stage's name at that time.
    pub name: String,
}

const NO_PIPELINE: &str = "No such pipeline";
/// What is said of an id that is no stage's.
pub const NO_STAGE: &str = "No such stage";
/// What is said of a stage beside a pipeline that is cleared.
pub(super) const NOT_WITHOUT_PIPELINE: &str = "Must be null when pipelineId is";

/// Where a lead is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere else.
    Stay,
    /// Out of its pipeline.
    Nowhere,
    /// Into this stage.
    Stage(Place),
    /// Into this pipeline, whose first stage this is, unless it is there already.
    Pipeline(Place),
}

impl Destination {
    /// The pipeline and the stage of a lead that was in these.
    pub fn from(
        &self,
        pipeline: Option<PipelineId>,
        stage: Option<StageId>,
    ) -> (Option<PipelineId>, Option<StageId>) {
        match self {
            Self::Nowhere => (None, None),
            Self::Stage(place) => (Some(place.pipeline_id), Some(place.stage_id)),
            Self::Pipeline(place) if pipeline != Some(place.pipeline_id) => {
                (Some(place.pipeline_id), Some(place.stage_id))
            }
            Self::Stay | Self::Pipeline(_) => (pipeline, stage),
        }
    }

    /// Its place, when it has one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Stage(place) | Self::Pipeline(place) => Some(place),
            Self::Stay | Self::Nowhere => None,
        }
    }
}

/// Finds what is wanted, or adds what is wrong with it.
///
/// # Errors
/// The database's.
pub async fn resolve(
    tx: &mut TenantTx,
    pipeline: Change<PipelineId>,
    stage: Change<StageId>,
    faults: &mut Details,
) -> sqlx::Result<Destination> {
    let mut refuse = |field: &str, fault: &str| {
        faults.insert(field.to_owned(), fault.to_owned());
        Ok(Destination::Stay)
    };
    match (pipeline, stage) {
        (Change::Keep, Change::Keep) => Ok(Destination::Stay),
        (Change::Keep | Change::Clear, Change::Clear) | (Change::Clear, Change::Keep) => {
            Ok(Destination::Nowhere)
        }
        (Change::Clear, Change::Set(_)) => refuse("stageId", NOT_WITHOUT_PIPELINE),
        (Change::Keep, Change::Set(stage)) => match stage_of(tx, stage).await? {
            Some(place) => Ok(Destination::Stage(place)),
            None => refuse("stageId", NO_STAGE),
        },
        (Change::Set(pipeline), Change::Set(stage)) => match stage_of(tx, stage).await? {
            Some(place) if place.pipeline_id == pipeline => Ok(Destination::Stage(place)),
            found => {
                if first_of(tx, pipeline).await?.is_none() {
                    refuse("pipelineId", NO_PIPELINE)?;
                }
                match found {
                    Some(_) => refuse("stageId", "Is no stage of the pipeline"),
                    None => refuse("stageId", NO_STAGE),
                }
            }
        },
        (Change::Set(pipeline), Change::Keep | Change::Clear) => {
            match first_of(tx, pipeline).await? {
                Some(place) => Ok(Destination::Pipeline(place)),
                None => refuse("pipelineId", NO_PIPELINE),
            }
        }
    }
}

/// The stage, kept until the transaction ends.
pub async fn stage_of(tx: &mut TenantTx, stage: StageId) -> sqlx::Result<Option<Place>> {
    sqlx::query_as!(
        Place,
        r#"select pipeline_id as "pipeline_id: PipelineId", id as "stage_id: StageId", name
           from stages where id = $1 for key share"#,
        stage.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// The first stage of a pipeline. The pipeline's row is kept until the transaction ends, because whoever changes its
/// stages holds it; and taken first, because a statement that waited for it would not see the stages of after.
async fn first_of(tx: &mut TenantTx, pipeline: PipelineId) -> sqlx::Result<Option<Place>> {
    sqlx::query!("select 1 as one from pipelines where id = $1 for share", pipeline.0)
        .fetch_optional(tx.conn())
        .await?;
    sqlx::query_as!(
        Place,
        r#"select pipeline_id as "pipeline_id: PipelineId", id as "stage_id: StageId", name
           from stages where pipeline_id = $1 order by display_order limit 1"#,
        pipeline.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// These stages; whoever asks holds something that keeps them.
pub async fn known(tx: &mut TenantTx, stages: &[StageId]) -> sqlx::Result<Vec<Place>> {
    let ids: Vec<Uuid> = stages.iter().map(|stage| stage.0).collect();
    sqlx::query_as!(
        Place,
        r#"select pipeline_id as "pipeline_id: PipelineId", id as "stage_id: StageId", name
           from stages where id = any ($1)"#,
        &ids,
    )
    .fetch_all(tx.conn())
    .await
}
