//! `expand`: records beside the ids that refer to them, in lists and in single records. Contacts that refer to
//! themselves stand for every resource here: the mechanism does not know whose ids they are.

use std::sync::Mutex;

use api::App;
use api::auth::Caller;
use api::crm::contacts::{self, Contact};
use api::error::Result;
use api::http::doc::Doc;
use api::http::doc::SchemaOf;
use api::http::expand::{Expand, Expanded, Expansion, Loading, records};
use api::http::routes::Routes;
use api::http::{Data, Id, Listed, Params};
use api::list::{List, ListQuery};
use axum::Router;
use axum::extract::State;
use serde_json::{Value, json};
use shared::TenantTx;
use shared::id::{ContactId, TenantId};
use shared::scope::Scope;
use tests::kit::{COMPANIES, CONTACTS, TestApp, WEBHOOKS};
use uuid::Uuid;

use super::three;

const THINGS: &str = "/api/v1/things";

/// Whose records were loaded, once for each statement: tests beside each other load too.
static LOADS: Mutex<Vec<TenantId>> = Mutex::new(Vec::new());

fn loads(tenant: TenantId) -> usize {
    LOADS.lock().unwrap().iter().filter(|loaded| **loaded == tenant).count()
}

static EXPANSIONS: [Expansion; 2] = [
    Expansion {
        name: "self",
        member: "id",
        schema: SchemaOf::of::<Contact>(),
        scope: Scope::ContactsRead,
        load,
    },
    Expansion {
        name: "secret",
        member: "tenantId",
        schema: SchemaOf::of::<Contact>(),
        scope: Scope::WebhooksRead,
        load,
    },
];

static LIST: List = List {
    columns: contacts::LIST.columns,
    sorts: contacts::LIST.sorts,
    default_sort: "name",
    search: None,
    expansions: &EXPANSIONS,
};

/// All but Bob, who is gone.
fn load<'t>(tx: &'t mut TenantTx, ids: &'t [Uuid]) -> Loading<'t> {
    LOADS.lock().unwrap().push(tx.tenant());
    Box::pin(async move {
        let sql = "select id, name from contacts where id = any ($1) and name <> 'Bob'";
        let found: Vec<(Uuid, String)> = sqlx::query_as(sql).bind(ids).fetch_all(tx.conn()).await?;
        records(&found, |(id, _)| *id)
    })
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<Expanded<Contact>>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin(&caller).await?;
    let page = contacts::list(&mut tx, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    params: Params,
) -> Result<Data<Expanded<Contact>>> {
    let expand = Expand::parse(&EXPANSIONS, &params)?;
    let mut tx = app.begin(&caller).await?;
    let contact = contacts::show(&mut tx, id).await;
    let contact = expand.record(&mut tx, contact).await;
    tx.finish(contact).await.map(Data)
}

fn router(app: App) -> Router {
    let things = Routes::under(THINGS, "Things")
        .get("", Scope::ContactsRead, list, Doc::page::<Contact>("listThings", "List", &LIST))
        .get(
            "/{id}",
            Scope::ContactsRead,
            show,
            Doc::data::<Contact>("getThing", "Get").expands(&EXPANSIONS),
        );
    let routes = api::routes().into_iter().chain(things.into_list()).collect();
    api::http::layered(api::http::routes::router(routes, &app), app)
}

#[tokio::test]
async fn a_list_shows_the_records_that_its_own_refer_to_with_one_statement_for_all() {
    let app = TestApp::serving(|_| {}, router).await;
    let acme = three(&app).await;
    let plain = acme.get(THINGS).await.page();
    assert_eq!(loads(acme.id), 0);
    let page = acme.get(&format!("{THINGS}?expand=self,self&pageSize=2&page=1")).await.page();
    assert_eq!(loads(acme.id), 1);
    for (item, mut expanded) in plain.items.into_iter().zip(page.items) {
        let record = expanded.as_object_mut().unwrap().remove("selfRecord").unwrap();
        let gone = item["name"] == "Bob";
        assert_eq!(record, if gone { Value::Null } else { json!([item["id"], item["name"]]) });
        assert_eq!(expanded, item, "nothing else changes");
    }
}

#[tokio::test]
async fn a_single_record_is_expanded_like_one_of_a_list() {
    let app = TestApp::serving(|_| {}, router).await;
    let acme = three(&app).await;
    for item in acme.get(&format!("{THINGS}?expand=self")).await.page().items {
        let id = item["id"].as_str().unwrap();
        let shown = acme.get(&format!("{THINGS}/{id}?expand=self&fields=id")).await.ok();
        assert_eq!(shown["selfRecord"], item["selfRecord"]);
        assert_eq!(acme.get(&format!("{THINGS}/{id}")).await.ok().get("selfRecord"), None);
    }
    acme.get(&format!("{THINGS}/{}?expand=self", Uuid::nil())).await.not_found("Contact not found");
}

#[tokio::test]
async fn an_unknown_expansion_is_refused_with_the_known_ones_named() {
    let app = TestApp::serving(|_| {}, router).await;
    let acme = three(&app).await;
    let known = json!({"expand": "Must be any of self, secret, divided by commas"});
    for bad in ["owner", "self,owner", "", "self,", "selfRecord", "self.self"] {
        acme.get(&format!("{THINGS}?expand={bad}")).await.invalid(&known);
        acme.get(&format!("{THINGS}/{}?expand={bad}", Uuid::nil())).await.invalid(&known);
    }
    let twice = format!("{THINGS}/{}?expand=x&expand=self", Uuid::nil());
    acme.get(&twice).await.invalid(&json!({"expand": "Is given twice"}));
    acme.get(&format!("{COMPANIES}?expand=owner"))
        .await
        .invalid(&json!({"expand": "Unknown parameter"}));
}

#[tokio::test]
async fn nobody_sees_by_expansion_what_they_may_not_read() {
    let app = TestApp::serving(|_| {}, router).await;
    let acme = three(&app).await;
    let limited = acme.with_scopes(&[Scope::ContactsRead]).await;
    let id = acme.get(THINGS).await.page().items[0]["id"].as_str().unwrap().to_owned();
    for path in [THINGS.to_owned(), format!("{THINGS}/{id}")] {
        assert_eq!(acme.get(&format!("{path}?expand=secret")).await.status, 200);
        let refused = limited.get(&format!("{path}?expand=self,secret")).await;
        let body = refused.problem(403, "INSUFFICIENT_SCOPE");
        assert_eq!(body["details"], json!({"scope": "webhooks:read"}));
        assert_eq!(limited.get(&format!("{path}?expand=self")).await.status, 200);
    }
}

#[tokio::test]
async fn a_webhooks_events_can_show_the_webhook() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    app.worker().drain().await.unwrap();
    let path = format!("{WEBHOOKS}/{}/events?expand=webhook", subscriber.id);
    let page = acme.get(&path).await.page();
    assert_eq!(page.items.len(), 2);
    for event in page.items {
        assert_eq!(event["webhookRecord"], subscriber.show().await);
        assert_eq!(event["attemptLog"].as_array().unwrap().len(), 1);
        let id = event["id"].as_str().unwrap();
        let own = format!("{WEBHOOKS}/{}/events/{id}", subscriber.id);
        assert_eq!(acme.get(&format!("{own}?expand=webhook")).await.ok(), event);
    }
}

#[test]
fn the_document_names_every_expansion() {
    let document = api::http::openapi::document(&api::routes());
    let list = &document["paths"]["/api/v1/webhooks/{id}/events"]["get"]["parameters"];
    let expand = list.as_array().unwrap().iter().find(|parameter| parameter["name"] == "expand");
    let text = expand.unwrap()["description"].as_str().unwrap();
    assert!(text.contains("`webhook` adds `webhookRecord` beside `webhookId`"), "{text}");
}
