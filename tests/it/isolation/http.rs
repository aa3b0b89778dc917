//! Tenant B against tenant A over HTTP, route by route, from the same table that the router is made of.

use std::collections::BTreeSet;

use api::http::doc::Outcome;
use api::http::routes::{Access, Route};
use reqwest::Method;
use serde_json::Value;
use shared::id::TenantId;
use shared::scope::Scope;
use tests::kit::{Answer, Tenant, TestApp};
use uuid::Uuid;

use super::generator::{Table, World, canary, plant, plant_deleted, tables};
use super::probes::{INSTRUCTIONS, PROBES, Probe};
use super::tables::fingerprints;

/// Two tenants with one row in every table and a deleted one where such are listed, the api, and all its routes with
/// their probes.
struct Arena {
    app: TestApp,
    tables: Vec<Table>,
    a: (Tenant, World),
    b: (Tenant, World),
}

impl Arena {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let tables = tables(app.database.admin()).await;
        let (a, b) = (app.tenant("Anna").await, app.tenant("Bert").await);
        let admin = app.database.admin();
        let worlds = (plant(admin, &tables, a.id).await, plant(admin, &tables, b.id).await);
        for world in [&worlds.0, &worlds.1] {
            plant_deleted(admin, &tables, world).await;
        }
        Self { app, tables, a: (a, worlds.0), b: (b, worlds.1) }
    }

    /// The state of everything that A has, and of what B has announced.
    async fn state(&self) -> Vec<String> {
        let admin = self.app.database.admin();
        let outbox = self.tables.iter().position(|table| table.name == "outbox").unwrap();
        let outbox = &self.tables[outbox..=outbox];
        let mut state = fingerprints(admin, &self.tables, self.a.0.id).await;
        assert_eq!(state.len(), self.tables.len());
        state.extend(fingerprints(admin, outbox, self.b.0.id).await);
        state
    }

    /// Whether an answer to B holds nothing of A: neither ids nor texts.
    #[track_caller]
    fn assert_nothing_of_a(&self, answer: &Answer, what: &str) {
        let text = format!("{:?} {}", answer.headers, answer.body);
        let row_ids = self.a.1.values().filter_map(|row| row.get("id")).filter_map(Value::as_str);
        for secret in
            row_ids.map(str::to_owned).chain([self.a.0.id.to_string(), canary(self.a.0.id)])
        {
            assert!(!text.contains(&secret), "{what} shows {secret} of another tenant: {text}");
        }
    }
}

pub(super) fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

fn scope(route: &Route) -> Option<Scope> {
    match route.access {
        Access::Scope(scope) => Some(scope),
        Access::Public | Access::User | Access::Session | Access::Any => None,
    }
}

/// The routes that ask for a credential, each with its probe.
pub(super) fn probed() -> Vec<(Route, &'static Probe)> {
    let find = |route: Route| {
        let probe = PROBES.iter().find(|probe| probe.route == name(&route));
        (probe.unwrap_or_else(|| panic!("{} has no probe: {INSTRUCTIONS}", name(&route))), route)
    };
    let routes = api::routes().into_iter().filter(|route| route.access != Access::Public);
    routes.map(find).map(|(probe, route)| (route, probe)).collect()
}

/// Who calls the route in this world: the tenant's key, or its user where only a user may.
pub async fn caller(tenant: &Tenant, route: &Route, world: &World) -> Tenant {
    match route.access {
        Access::User | Access::Session => {
            let user = world["users"]["id"].as_str().unwrap();
            tenant.as_user(user.parse().unwrap()).await
        }
        _ => tenant.clone(),
    }
}

/// The path with these ids in place of its braces.
fn path(route: &Route, ids: &[String]) -> String {
    let mut ids = ids.iter();
    let parts = route.path.split('/').map(|part| {
        if part.starts_with('{') {
            ids.next().expect("a table for each id of the path").as_str()
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The ids of the probed rows in this world.
pub(super) fn ids(probe: &Probe, world: &World) -> Vec<String> {
    probe.ids.iter().map(|table| world[*table]["id"].as_str().unwrap().to_owned()).collect()
}

fn random_ids(probe: &Probe) -> Vec<String> {
    probe.ids.iter().map(|_| Uuid::from_u128(rand::random()).to_string()).collect()
}

pub(super) async fn call(
    caller: &Tenant,
    route: &Route,
    probe: &Probe,
    ids: &[String],
    query: Option<String>,
) -> Answer {
    let body = probe.make_body(caller).await;
    let query = query.or_else(|| probe.always.map(str::to_owned));
    send(caller, route, ids, query, body).await
}

pub(super) async fn send(
    caller: &Tenant,
    route: &Route,
    ids: &[String],
    query: Option<String>,
    body: Option<Value>,
) -> Answer {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    caller.call(route.method.clone(), &format!("{}{query}", path(route, ids)), body).await
}

/// Routes about the tenant itself, and those that are the same for all tenants.
const OF_THE_TENANT: &[&str] =
    &["GET /api/v1/me", "GET /api/v1/tenant/settings", "GET /api/v1/meta/enums"];

/// Routes that answer with ids, times and counts only, no text of the tenant's.
const WORDLESS: &[&str] = &["GET /api/v1/erasures", "GET /api/v1/erasures/{id}"];

/// What tells whose an answer is: a word in its texts, or the tenant's id where it has none.
fn mark(probe: &Probe, tenant: TenantId) -> String {
    if WORDLESS.contains(&probe.route) { tenant.to_string() } else { canary(tenant) }
}

/// Routes that ask for no credential, each for a reason.
const PUBLIC: &[&str] = &[
    // Signing in: a desktop has no credential yet, later its poll secret (tests/it/auth/qr).
    "POST /api/v1/auth/qr-session/generate",
    "GET /api/v1/auth/qr-session/{id}",
    "GET /api/v1/auth/qr-session/{id}/events",
    "POST /api/v1/auth/qr-session/{id}/token",
    "DELETE /api/v1/auth/qr-session/{id}",
    // The refresh token is the credential (tests/it/auth/refresh.rs).
    "POST /api/v1/auth/refresh",
    // Off unless the operator says so, and for demo tenants only (tests/it/auth/demo.rs).
    "POST /api/v1/auth/demo-login",
    "POST /api/auth/demo-login",
    // Public keys are public (tests/it/webhooks/published.rs).
    "GET /.well-known/webhook-keys/{id}",
];

#[test]
fn every_route_asks_for_a_credential_unless_it_is_listed_here() {
    let routes = api::routes();
    let public: Vec<_> =
        routes.iter().filter(|route| route.access == Access::Public).map(name).collect();
    assert_eq!(public, PUBLIC);
}

#[test]
fn every_route_has_a_probe_and_every_probe_a_route() {
    let routes: BTreeSet<String> = probed().iter().map(|(route, _)| name(route)).collect();
    let stale: Vec<_> =
        PROBES.iter().filter(|probe| !routes.contains(probe.route)).map(|p| p.route).collect();
    assert!(stale.is_empty(), "these routes are gone: {stale:?}");
    for (route, probe) in probed() {
        assert_eq!(
            route.path.matches('{').count(),
            probe.ids.len(),
            "{}: {INSTRUCTIONS}",
            probe.route
        );
    }
}

#[tokio::test]
async fn nobody_gets_past_a_route_without_a_credential() {
    let app = TestApp::start().await;
    for (route, probe) in probed() {
        let request = app.request(route.method.clone(), &path(&route, &random_ids(probe)));
        Answer::to(request.json(&probe.body.map(|body| body()))).await.problem(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_key_with_every_scope_but_the_needed_one_is_refused_and_the_needed_one_is_enough() {
    let arena = Arena::new().await;
    for (route, probe) in probed() {
        // Routes without a scope are for whoever has a credential, or for whoever has signed in.
        let Some(needed) = scope(&route) else {
            if route.access == Access::Any {
                let nobody = arena.b.0.with_scopes(&[]).await;
                assert!(call(&nobody, &route, probe, &[], None).await.status.is_success());
            }
            continue;
        };
        let others: Vec<_> = Scope::ALL.iter().copied().filter(|scope| *scope != needed).collect();
        // Rows of the route's own, because it may delete them.
        let world = plant(arena.app.database.admin(), &arena.tables, arena.b.0.id).await;
        let lacking = arena.b.0.with_scopes(&others).await;
        let refused = call(&lacking, &route, probe, &ids(probe, &world), None).await;
        let problem = refused.problem(403, "INSUFFICIENT_SCOPE");
        assert_eq!(problem["details"]["scope"], needed.as_str(), "{}", name(&route));

        let holding = arena.b.0.with_scopes(&[needed]).await;
        let answer = call(&holding, &route, probe, &ids(probe, &world), None).await;
        assert!(answer.status.is_success(), "{}: {:#}", name(&route), answer.body);
    }
}

#[tokio::test]
async fn a_key_with_every_scope_is_refused_where_only_a_user_may() {
    let arena = Arena::new().await;
    let user_only = |route: &Route| matches!(route.access, Access::User | Access::Session);
    for (route, probe) in probed().into_iter().filter(|(route, _)| user_only(route)) {
        let ids = ids(probe, &arena.b.1);
        let path = path(&route, &ids);
        let answer = arena.b.0.call(route.method.clone(), &path, None).await;
        let problem = answer.problem(403, "FORBIDDEN");
        assert_eq!(problem["error"], "This needs a signed-in user, not an API key");
    }
}

#[tokio::test]
async fn an_id_of_another_tenant_is_answered_exactly_like_one_that_never_existed() {
    let arena = Arena::new().await;
    for (route, probe) in probed() {
        let (own, theirs) = (ids(probe, &arena.b.1), ids(probe, &arena.a.1));
        let b = caller(&arena.b.0, &route, &arena.b.1).await;
        // Each id in its turn is a stranger's, those before it one's own, those after it a stranger's too.
        for turn in 0..probe.ids.len() {
            let with = |strange: &[String]| [&own[..turn], &strange[turn..]].concat();
            let before = arena.state().await;
            let strange = call(&b, &route, probe, &with(&theirs), None).await;
            assert_eq!(arena.state().await, before, "{} touched what is not its own", name(&route));
            let absent = call(&b, &route, probe, &with(&random_ids(probe)), None).await;
            assert_eq!(strange.status, 404, "{}: {:#}", name(&route), strange.body);
            assert_eq!(without_request(strange), without_request(absent), "{}", name(&route));
        }
    }
}

/// All that an answer tells besides the request's own id and times.
fn without_request(answer: Answer) -> (u16, Vec<(String, String)>, Value) {
    let Answer { status, headers, mut body } = answer;
    body.as_object_mut().unwrap().remove("metadata").expect("metadata");
    let mut kept: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    kept.sort();
    (status.as_u16(), kept, body)
}

#[tokio::test]
async fn no_answer_of_any_route_holds_anything_of_another_tenant() {
    let arena = Arena::new().await;
    for (route, probe) in probed() {
        let world = plant(arena.app.database.admin(), &arena.tables, arena.b.0.id).await;
        let before = arena.state().await;
        let b = caller(&arena.b.0, &route, &world).await;
        let own = call(&b, &route, probe, &ids(probe, &world), None).await;
        assert!(own.status.is_success(), "{}: {:#}", name(&route), own.body);
        arena.assert_nothing_of_a(&own, &name(&route));
        let changed = arena.state().await;
        let announced = changed.len() - 1;
        assert_eq!(
            changed[..announced],
            before[..announced],
            "{} touched another tenant",
            name(&route)
        );
        if let Outcome::Page(_) = route.doc.outcome {
            let shown = own.body.to_string();
            assert!(shown.contains(&mark(probe, arena.b.0.id)), "{} does not list", name(&route));
        }
        if let Some(query) = probe.query.map(|query| query(&canary(arena.a.0.id))) {
            let searched = call(&b, &route, probe, &ids(probe, &world), Some(query)).await;
            assert_eq!(searched.body["pagination"]["total"], 0, "{}", name(&route));
            assert_eq!(searched.page().items.len(), 0, "{}", name(&route));
        }
    }
}

#[tokio::test]
async fn a_probe_would_see_the_row_if_it_were_its_own() {
    let arena = Arena::new().await;
    for (route, probe) in probed() {
        let a = caller(&arena.a.0, &route, &arena.a.1).await;
        if let Some(query) = probe.query.map(|query| query(&canary(arena.a.0.id))) {
            let found = call(&a, &route, probe, &ids(probe, &arena.a.1), Some(query)).await;
            assert_eq!(found.page().items.len(), 1, "{}", name(&route));
        }
        if route.method == Method::GET && !OF_THE_TENANT.contains(&probe.route) {
            let seen = call(&a, &route, probe, &ids(probe, &arena.a.1), None).await;
            let shown = seen.body.to_string();
            assert!(shown.contains(&mark(probe, arena.a.0.id)), "{}", name(&route));
        }
    }
}
