//! Pipelines over HTTP.

use axum::extract::State;
use shared::id::{PipelineId, StageId};
use shared::scope::Scope;

use super::{LIST, NewPipeline, Pipeline, PipelinePatch, WantedStage};
use crate::App;
use crate::auth::Caller;
use crate::crm::leads::NO_STAGE;
use crate::error::{Error, Result};
use crate::http::doc::Doc;
use crate::http::permits::TenantPermit;
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, IfMatch, Listed, NoContent, Params, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/pipelines";

/// The parameter that says where the leads of removed stages go.
const MOVE_TO: &str = "moveLeadsTo";
const MOVE_TO_WHAT: &str = "The id of the stage that leads of removed stages move to";
const NOT_EMPTY: &str =
    "PIPELINE_NOT_EMPTY: leads are in stages that would go, and `moveLeadsTo` is absent";

fn id() -> serde_json::Value {
    serde_json::json!({"type": "string", "format": "uuid"})
}

/// What can be done with pipelines.
pub fn routes() -> Routes {
    use Scope::{PipelinesRead, PipelinesWrite};
    Routes::under(PATH, "Pipelines")
        .get(
            "",
            PipelinesRead,
            list,
            Doc::page::<Pipeline>("listPipelines", "List pipelines", &LIST),
        )
        .post(
            "",
            PipelinesWrite,
            create,
            Doc::created::<Pipeline>("createPipeline", "Create a pipeline").body::<NewPipeline>(),
        )
        .get("/{id}", PipelinesRead, show, Doc::data::<Pipeline>("getPipeline", "Get a pipeline"))
        .merge(
            "/{id}",
            PipelinesWrite,
            update,
            Doc::data::<Pipeline>("updatePipeline", "Change a pipeline")
                .body::<PipelinePatch>()
                .parameter(MOVE_TO, MOVE_TO_WHAT, id())
                .conditional()
                .conflict(NOT_EMPTY),
        )
        .delete(
            "/{id}",
            PipelinesWrite,
            remove,
            Doc::done("deletePipeline", "Delete a pipeline")
                .parameter(MOVE_TO, MOVE_TO_WHAT, id())
                .conditional()
                .conflict(NOT_EMPTY),
        )
}

/// The stage that leads are to move to; the route's entry has refused other parameters.
fn move_to(params: Params) -> Result<Option<StageId>> {
    let mut faults = params.faults;
    let mut to = None;
    if let Some((_, value)) = params.pairs.iter().find(|(name, _)| name == MOVE_TO) {
        match value.parse() {
            Ok(stage) => to = Some(stage),
            Err(_) => drop(faults.insert(MOVE_TO.to_owned(), NO_STAGE.to_owned())),
        }
    }
    if faults.is_empty() { Ok(to) } else { Err(Error::Invalid(faults)) }
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Pipeline>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewPipeline>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let pipeline = super::create(&mut tx, new).await;
    let created = pipeline.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<PipelineId>,
) -> Result<Data<Pipeline>> {
    let mut tx = app.begin_reading(&caller).await?;
    let pipeline = super::show(&mut tx, id).await;
    tx.finish(pipeline).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<PipelineId>,
    seen: IfMatch,
    params: Params,
    Valid(patch): Valid<PipelinePatch>,
) -> Result<Reply> {
    let to = move_to(params)?;
    let _place = match &patch.stages {
        Some(wanted) => place(&app, &caller, id, Some(wanted.clone())).await?,
        None => None,
    };
    let mut tx = app.begin(&caller).await?;
    let pipeline = super::update(&mut tx, id, &seen, patch, to).await;
    app.commit(&caller, tx, pipeline.map(Data)).await
}

/// A place for a change that moves very many leads, taken before the connection that it holds.
async fn place(
    app: &App,
    caller: &Caller,
    id: PipelineId,
    wanted: Option<Vec<WantedStage>>,
) -> Result<Option<TenantPermit>> {
    let mut tx = app.begin(caller).await?;
    let many = super::moves_many(&mut tx, id, wanted).await;
    if tx.finish(many).await? { Ok(Some(app.sweeps.take(caller.tenant).await?)) } else { Ok(None) }
}

async fn remove(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<PipelineId>,
    seen: IfMatch,
    params: Params,
) -> Result<Reply> {
    let to = move_to(params)?;
    let _place = place(&app, &caller, id, None).await?;
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, id, &seen, to).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}
