//! Access tokens of an outside issuer.

mod callers;
mod fetches;
mod keys;
mod tokens;

use api::auth::oidc::OidcConfig;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use shared::id::UserId;
use shared::scope::Role;
use tests::kit::{Answer, CONTACTS, Credential, Issuer, IssuerKey, Tenant, TestApp, WEBHOOKS};

use super::unauthorized;

const INVALID: &str = "The access token is not valid";
const EMAIL: &str = "ada@acme.example";

/// An api that believes an issuer, and a tenant with a member whom the issuer knows.
struct World {
    app: TestApp,
    issuer: Issuer,
    key: IssuerKey,
    acme: Tenant,
    ada: UserId,
}

impl World {
    async fn new() -> Self {
        Self::with(IssuerKey::new("first"), |_| {}).await
    }

    async fn with(key: IssuerKey, change: impl FnOnce(&mut OidcConfig)) -> Self {
        let issuer = Issuer::start(&[&key]).await;
        let mut oidc = issuer.config();
        change(&mut oidc);
        let app = TestApp::configured(|config| config.oidc = Some(oidc)).await;
        let acme = app.tenant("acme").await;
        let ada = member(&app, &acme, EMAIL).await;
        Self { app, issuer, key, acme, ada }
    }

    /// What the issuer says of the member, for five minutes.
    fn claims(&self) -> Value {
        let now = self.app.clock.now().timestamp();
        json!({
            "iss": self.issuer.url(), "aud": "liaison", "sub": "248289761001", "iat": now, "nbf": now, "exp": now + 300,
            "email": EMAIL, "email_verified": true, "tenant_id": self.acme.id,
        })
    }

    /// The claims with one of them changed.
    fn claiming(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[claim] = value;
        self.key.sign(&claims)
    }

    fn token(&self) -> String {
        self.key.sign(&self.claims())
    }

    /// The tenant, called with this token.
    fn by(&self, token: String) -> Tenant {
        self.acme.with(Credential::Bearer(token))
    }

    async fn ask(&self, token: String) -> Answer {
        self.by(token).get(CONTACTS).await
    }

    async fn refuses(&self, token: String) {
        unauthorized(self.ask(token).await, INVALID);
    }

    /// How often the keys were asked for.
    fn fetches(&self) -> usize {
        self.issuer.asked().iter().filter(|path| *path == tests::kit::JWKS).count()
    }
}

/// A new member of the tenant with this address.
async fn member(app: &TestApp, tenant: &Tenant, email: &str) -> UserId {
    let user = tenant.user(Role::Member).await;
    let sql = format!("update users set email = '{email}' where id = '{user}'");
    app.database.execute(&sql).await;
    user
}

#[tokio::test]
async fn a_user_comes_in_with_a_token_of_the_issuer_and_may_do_what_its_own_role_says() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let world = World::with(IssuerKey::of("first", algorithm), |_| {}).await;
        let ada = world.by(world.claiming("role", json!("owner")));
        let contact = ada.post(CONTACTS, json!({"name": "Grace"})).await.created();
        assert_eq!(contact["tenantId"], json!(world.acme.id), "{algorithm:?}");
        assert_eq!(ada.get(CONTACTS).await.page().items, [contact]);
        ada.post(WEBHOOKS, json!({})).await.problem(403, "INSUFFICIENT_SCOPE");
    }
}

#[tokio::test]
async fn tokens_of_ones_own_and_api_keys_work_beside_it_and_the_issuer_is_not_asked() {
    let world = World::new().await;
    world.issuer.go_away().await;
    world.acme.get(CONTACTS).await.page();
    world.acme.as_user(world.ada).await.get(CONTACTS).await.page();
    assert_eq!(world.issuer.asked(), [""; 0]);
}

#[tokio::test]
async fn nobody_comes_in_with_a_token_of_an_issuer_that_is_not_configured() {
    let world = World::new().await;
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    member(&app, &acme, EMAIL).await;
    let mut claims = world.claims();
    claims["tenant_id"] = json!(acme.id);
    let stranger = acme.with(Credential::Bearer(world.key.sign(&claims)));
    unauthorized(stranger.get(CONTACTS).await, INVALID);
    assert_eq!(world.fetches(), 0);
}
