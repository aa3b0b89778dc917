//! Activities over HTTP, and the timelines that are made of them.

use axum::extract::{RawQuery, State};
use shared::id::{ActivityId, CompanyId, ContactId, LeadId};
use shared::scope::Scope;

use super::{Activity, LIST, NewActivity, TIMELINE};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, Listed, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/activities";

/// What can be done with activities.
pub fn routes() -> Routes {
    use Scope::{ActivitiesRead, ActivitiesWrite};
    let timeline = |id, what| Doc::page::<Activity>(id, what, &TIMELINE);
    Routes::under("/api/v1/connection", "Activities")
        .get(
            "/activities",
            ActivitiesRead,
            list,
            Doc::page::<Activity>("listActivities", "List activities", &LIST),
        )
        .post(
            "/activities",
            ActivitiesWrite,
            create,
            Doc::created::<Activity>("createActivity", "Write an activity").body::<NewActivity>(),
        )
        .get(
            "/activities/{id}",
            ActivitiesRead,
            show,
            Doc::data::<Activity>("getActivity", "Get an activity"),
        )
        .get(
            "/contacts/{id}/timeline",
            ActivitiesRead,
            of_contact,
            timeline("listContactTimeline", "List what happened around a contact"),
        )
        .get(
            "/companies/{id}/timeline",
            ActivitiesRead,
            of_company,
            timeline("listCompanyTimeline", "List what happened around a company"),
        )
        .get(
            "/leads/{id}/timeline",
            ActivitiesRead,
            of_lead,
            timeline("listLeadTimeline", "List what happened around a lead"),
        )
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Listed<Activity>> {
    let query = ListQuery::parse(&LIST, query.as_deref().unwrap_or_default())?;
    let mut tx = app.begin(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewActivity>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let activity = super::create(&mut tx, new).await;
    let created = activity.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ActivityId>,
) -> Result<Data<Activity>> {
    let mut tx = app.begin(&caller).await?;
    let activity = super::show(&mut tx, id).await;
    tx.finish(activity).await.map(Data)
}

async fn of_contact(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    RawQuery(query): RawQuery,
) -> Result<Listed<Activity>> {
    let query = ListQuery::parse(&TIMELINE, query.as_deref().unwrap_or_default())?;
    let mut tx = app.begin(&caller).await?;
    let page = super::of_contact(&mut tx, id, &query).await;
    tx.finish(page).await
}

async fn of_company(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<CompanyId>,
    RawQuery(query): RawQuery,
) -> Result<Listed<Activity>> {
    let query = ListQuery::parse(&TIMELINE, query.as_deref().unwrap_or_default())?;
    let mut tx = app.begin(&caller).await?;
    let page = super::of_company(&mut tx, id, &query).await;
    tx.finish(page).await
}

async fn of_lead(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    RawQuery(query): RawQuery,
) -> Result<Listed<Activity>> {
    let query = ListQuery::parse(&TIMELINE, query.as_deref().unwrap_or_default())?;
    let mut tx = app.begin(&caller).await?;
    let page = super::of_lead(&mut tx, id, &query).await;
    tx.finish(page).await
}
