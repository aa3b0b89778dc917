//! Users of a tenant, and the caller itself.

use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{Database, TestApp};

use crate::boot::process::Environment;

const USERS: &str = "/api/v1/users";
const ME: &str = "/api/v1/me";

#[tokio::test]
async fn users_are_shown_and_never_written_over_http() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let users = acme.get(USERS).await.page().items;
    let path = format!("{USERS}/{}", acme.owner);
    let owner = json!({
        "id": acme.owner, "tenantId": acme.id, "email": "owner@acme.example", "name": "owner@acme.example",
        "role": "owner", "active": true, "createdAt": tests::kit::START, "updatedAt": tests::kit::START,
    });
    assert_eq!(users, std::slice::from_ref(&owner));
    assert_eq!(acme.get(&path).await.ok(), owner);
    acme.get(&format!("{USERS}/{}", uuid::Uuid::nil())).await.not_found("User not found");
    acme.post(USERS, json!({})).await.problem(405, "METHOD_NOT_ALLOWED");
    acme.delete(&path).await.problem(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn users_are_found_by_role_address_name_and_whether_they_are_active() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let member = acme.user(Role::Member).await;
    let gone = acme.user(Role::Admin).await;
    app.database.execute(&format!("update users set active = false where id = '{gone}'")).await;
    let (owner, member, gone) = (acme.owner.to_string(), member.to_string(), gone.to_string());
    for (query, mut expected) in [
        ("role=member", vec![&member]),
        ("role[in]=owner,admin", vec![&owner, &gone]),
        ("email=OWNER@acme.example", vec![&owner]),
        ("name=somebody", vec![&member, &gone]),
        ("active=true", vec![&owner, &member]),
        ("active=false", vec![&gone]),
    ] {
        let page = acme.get(&format!("{USERS}?{query}")).await.page();
        let mut found = page.each("id");
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    let sorted = acme.get(&format!("{USERS}?sort=-email")).await.page();
    assert_eq!(sorted.each("id")[0], owner);
    for query in ["role=boss", "active=perhaps", "q=owner", "password=x"] {
        acme.get(&format!("{USERS}?{query}")).await.problem(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_user_sees_itself_its_tenant_its_session_and_what_its_role_may_do() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let me = acme.with_role(Role::ReadOnly).await.get(ME).await.ok();
    assert_eq!(me["principal"], "user");
    assert_eq!(me["tenant"], json!({"id": acme.id, "name": "acme"}));
    assert_eq!(
        (&me["user"]["role"], &me["user"]["name"]),
        (&json!("read_only"), &json!("Somebody"))
    );
    assert_eq!(me["apiKey"], Value::Null);
    assert!(me["session"]["id"].is_string(), "{me:#}");
    let scopes: Vec<_> = Scope::ALL.iter().filter(|scope| Role::ReadOnly.holds(**scope)).collect();
    assert_eq!(me["scopes"], json!(scopes));
}

#[tokio::test]
async fn an_api_key_sees_itself_its_tenant_and_its_scopes_but_no_user() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.with_scopes(&[Scope::LeadsRead]).await;
    let me = key.get(ME).await.ok();
    assert_eq!(me["principal"], "api_key");
    assert_eq!(me["tenant"]["id"], json!(acme.id));
    assert_eq!(me["scopes"], json!(["leads:read"]));
    assert_eq!((&me["user"], &me["session"]), (&Value::Null, &Value::Null));
    assert_eq!(me["apiKey"]["name"], "Limited");
    let prefix = me["apiKey"]["prefix"].as_str().unwrap();
    assert!(!prefix.is_empty() && key.key().contains(prefix));
    assert!(!me.to_string().contains(key.key()));
    acme.with_scopes(&[]).await.get(ME).await.ok();
}

#[tokio::test]
async fn an_operator_gives_a_tenant_its_second_user() {
    let database = Database::migrated().await;
    let environment = Environment::of(&database);
    let create = [
        "admin",
        "tenant",
        "create",
        "--name",
        "Acme",
        "--owner-email",
        "o@acme.example",
        "--json",
    ];
    let tenant: Value = serde_json::from_str(&environment.run(&create).await.success()).unwrap();
    let id = tenant["tenant"]["id"].as_str().unwrap();
    let new = [
        "admin",
        "user",
        "create",
        "--tenant",
        id,
        "--email",
        "Ada@acme.example",
        "--role",
        "member",
    ];

    let said = environment.run(&[&new[..], &["--name", "Ada", "--json"]].concat()).await.success();

    let user: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&user["name"], &user["role"], &user["tenantId"]),
        (&json!("Ada"), &json!("member"), &json!(id))
    );
    let (actor, action): (String, String) =
        sqlx::query_as("select actor_type, action from audit_log where record_type = 'user'")
            .fetch_one(database.admin())
            .await
            .unwrap();
    assert_eq!((&*actor, &*action), ("system", "user.created"));
    let user = user["id"].as_str().unwrap();
    environment.run(&["admin", "token", "--tenant", id, "--user", user]).await.success();

    environment.run(&new).await.refused(&["The tenant has a user with this e-mail address"]);
    let nobody = uuid::Uuid::nil().to_string();
    for (place, wrong, fault) in
        [(4, &*nobody, "no such tenant"), (6, "ada", "--email: Invalid email format")]
    {
        let mut arguments = new;
        arguments[place] = wrong;
        environment.run(&arguments).await.refused(&[fault]);
    }
}
