//! The demo tenants.

use serde::{Deserialize, Serialize};

use super::product::Binaries;
use super::settings::Environment;
use crate::servers::Result;

/// The tenants' names, their owners, and the names by which demo login opens them.
const DEMO: [(&str, &str, &str); 2] =
    [("Acme", "owner@acme.example", "demo"), ("Globex", "owner@globex.example", "globex")];

/// A tenant with credentials that may do everything in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub api_key: String,
    pub access_token: String,
}

/// What `api admin tenant create --json` prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    tenant: Named,
    user: User,
    api_key: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

/// Creates the demo tenants through the api's own commands.
///
/// # Errors
/// When a command fails or prints something else.
pub async fn seed(binaries: &Binaries, environment: &Environment) -> Result<[Tenant; 2]> {
    let mut tenants = Vec::with_capacity(DEMO.len());
    for (name, owner, demo) in DEMO {
        let named = ["--name", name, "--owner-email", owner, "--demo", demo];
        let create = [&["admin", "tenant", "create", "--json"], &named[..]].concat();
        let created: Created =
            serde_json::from_str(&binaries.command(&create, environment).await?)?;
        let Created { tenant, user, api_key } = created;
        let token = ["admin", "token", "--tenant", &tenant.id, "--user", &user.id, "--ttl", "12h"];
        let access_token = binaries.command(&token, environment).await?.trim().to_owned();
        tenants.push(Tenant { id: tenant.id, name: tenant.name, api_key, access_token });
    }
    tenants.try_into().map_err(|_| "there are two demo tenants".into())
}
