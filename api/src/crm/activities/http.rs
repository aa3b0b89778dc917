//! Activities over HTTP, and the timelines that are made of them.

use axum::extract::State;
use shared::id::{ActivityId, CompanyId, ContactId, LeadId};
use shared::scope::Scope;

use super::{Activity, LIST, NewActivity, TIMELINE};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::expand::{Expand, Expanded};
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, Listed, Params, Reply, Valid};
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
            Doc::data::<Activity>("getActivity", "Get an activity").expands(LIST.expansions),
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
    params: Params,
) -> Result<Listed<Expanded<Activity>>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    let page = query.expand(&mut tx, page).await;
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
    params: Params,
) -> Result<Data<Expanded<Activity>>> {
    let expand = Expand::parse(LIST.expansions, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let activity = super::show(&mut tx, id).await;
    let activity = expand.record(&mut tx, activity).await;
    tx.finish(activity).await.map(Data)
}

async fn of_contact(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    params: Params,
) -> Result<Listed<Expanded<Activity>>> {
    let query = ListQuery::parse(&TIMELINE, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::of_contact(&mut tx, id, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}

async fn of_company(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<CompanyId>,
    params: Params,
) -> Result<Listed<Expanded<Activity>>> {
    let query = ListQuery::parse(&TIMELINE, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::of_company(&mut tx, id, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}

async fn of_lead(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    params: Params,
) -> Result<Listed<Expanded<Activity>>> {
    let query = ListQuery::parse(&TIMELINE, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::of_lead(&mut tx, id, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}
