//! The SQL of pipelines and their stages.

use shared::TenantTx;
use shared::id::{PipelineId, StageId, TenantId};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Pipeline, Stage};
use crate::list::Source;

/// What lists of pipelines select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, name, version, created_at, updated_at,
        (select json_agg(json_build_object('id', s.id, 'name', s.name, 'displayOrder', s.display_order)
                         order by s.display_order)
         from stages s where s.tenant_id = pipelines.tenant_id and s.pipeline_id = pipelines.id) as stages",
    table: "pipelines",
    condition: "true",
    inside: None,
};

pub(super) async fn insert(tx: &mut TenantTx, pipeline: &Pipeline) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into pipelines (tenant_id, id, name, version, created_at, updated_at) values ($1, $2, $3, $4, $5, $6)",
        pipeline.tenant_id.0,
        pipeline.id.0,
        pipeline.name,
        pipeline.version,
        pipeline.created_at,
        pipeline.updated_at,
    )
    .execute(tx.conn())
    .await?;
    put_stages(tx, pipeline).await
}

/// Those of the pipelines that are there.
pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Pipeline>> {
    sqlx::query_as!(
        Pipeline,
        r#"select id as "id: PipelineId", tenant_id as "tenant_id: TenantId", name, version, created_at, updated_at,
                  (select json_agg(json_build_object('id', s.id, 'name', s.name, 'displayOrder', s.display_order)
                                   order by s.display_order)
                   from stages s where s.tenant_id = p.tenant_id and s.pipeline_id = p.id) as "stages!: Json<Vec<Stage>>"
           from pipelines p where id = any ($1)"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

pub(super) async fn find(tx: &mut TenantTx, id: PipelineId) -> sqlx::Result<Option<Pipeline>> {
    shared::find!(
        tx,
        Pipeline,
        r#"select id as "id: PipelineId", tenant_id as "tenant_id: TenantId", name, version, created_at, updated_at,
                  (select json_agg(json_build_object('id', s.id, 'name', s.name, 'displayOrder', s.display_order)
                                   order by s.display_order)
                   from stages s where s.tenant_id = p.tenant_id and s.pipeline_id = p.id) as "stages!: Json<Vec<Stage>>"
           from pipelines p where id = $2"#,
        id.0,
    )
    .await
}

/// Those of the stages that are there.
pub(super) async fn find_stages(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<Stage>> {
    sqlx::query_as!(
        Stage,
        r#"select id as "id: StageId", name, display_order from stages where id = any ($1)"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

/// Finds a pipeline and keeps other writers off it and its stages until the transaction ends. The stages are read
/// after the lock: a statement that waited for it would show those of before.
pub(super) async fn lock(tx: &mut TenantTx, id: PipelineId) -> sqlx::Result<Option<Pipeline>> {
    let locked = sqlx::query!("select 1 as one from pipelines where id = $1 for update", id.0)
        .fetch_optional(tx.conn())
        .await?;
    match locked {
        Some(_) => find(tx, id).await,
        None => Ok(None),
    }
}

/// The pipeline of a stage, which never changes.
pub(super) async fn pipeline_of(
    tx: &mut TenantTx,
    stage: StageId,
) -> sqlx::Result<Option<PipelineId>> {
    sqlx::query_scalar!(
        r#"select pipeline_id as "pipeline_id: PipelineId" from stages where id = $1"#,
        stage.0
    )
    .fetch_optional(tx.conn())
    .await
}

/// Keeps a pipeline's writers off it until the transaction ends; leads come and go meanwhile.
pub(super) async fn keep(tx: &mut TenantTx, id: PipelineId) -> sqlx::Result<()> {
    sqlx::query!("select 1 as one from pipelines where id = $1 for key share", id.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut TenantTx, pipeline: &Pipeline) -> sqlx::Result<()> {
    sqlx::query!(
        "update pipelines set name = $2, version = $3, updated_at = $4 where id = $1",
        pipeline.id.0,
        pipeline.name,
        pipeline.version,
        pipeline.updated_at,
    )
    .execute(tx.conn())
    .await?;
    put_stages(tx, pipeline).await
}

/// Writes all stages that the pipeline has now.
async fn put_stages(tx: &mut TenantTx, pipeline: &Pipeline) -> sqlx::Result<()> {
    let stages = &pipeline.stages.0;
    let ids: Vec<Uuid> = stages.iter().map(|stage| stage.id.0).collect();
    let names: Vec<String> = stages.iter().map(|stage| stage.name.clone()).collect();
    let orders: Vec<i32> = stages.iter().map(|stage| stage.display_order).collect();
    sqlx::query!(
        "insert into stages (tenant_id, pipeline_id, id, name, display_order)
         select $1, $2, s.id, s.name, s.display_order
         from unnest($3::uuid[], $4::text[], $5::integer[]) as s (id, name, display_order)
         on conflict (tenant_id, id) do update set name = excluded.name, display_order = excluded.display_order
         where (stages.name, stages.display_order) is distinct from (excluded.name, excluded.display_order)",
        pipeline.tenant_id.0,
        pipeline.id.0,
        &ids,
        &names,
        &orders,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets no lead into these stages any more, and waits for those that are just coming.
pub(super) async fn close(tx: &mut TenantTx, stages: &[StageId]) -> sqlx::Result<()> {
    sqlx::query!(
        "select 1 as one from stages where id = any ($1) order by id for update",
        &ids(stages)
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn delete_stages(tx: &mut TenantTx, stages: &[StageId]) -> sqlx::Result<()> {
    sqlx::query!("delete from stages where id = any ($1)", &ids(stages)).execute(tx.conn()).await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut TenantTx, id: PipelineId) -> sqlx::Result<()> {
    sqlx::query!("delete from pipelines where id = $1", id.0).execute(tx.conn()).await?;
    Ok(())
}

fn ids(stages: &[StageId]) -> Vec<Uuid> {
    stages.iter().map(|stage| stage.0).collect()
}
