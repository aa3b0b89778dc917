//! Tenants with a webhook each, every one with a receiver of its own.

use serde_json::json;

use super::options::Options;
use super::receiver::Receivers;
use super::requests::{Numbers, post};
use super::stage::{Stage, Tenant};
use super::wire::Connection;
use crate::servers::Result;

/// How many there are.
pub const COUNT: usize = 10;

/// What a row with them is measured with.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub options: &'a Options,
    pub numbers: &'a Numbers,
    pub subscribers: &'a Subscribers,
}

/// See the module.
pub struct Subscribers {
    pub tenants: Vec<Tenant>,
    pub receivers: Receivers,
}

impl Subscribers {
    /// Creates them through the api, which runs already.
    ///
    /// # Errors
    /// When the api refuses.
    pub async fn create(stage: &Stage) -> Result<Self> {
        let receivers = Receivers::start(COUNT).await?;
        let mut connection = Connection::open(stage.api_address).await?;
        let mut tenants = Vec::new();
        for (number, address) in receivers.addresses.iter().enumerate() {
            let tenant = stage.tenant(&format!("Subscriber {number}")).await?;
            let body = json!({"url": format!("http://{address}/"), "events": ["contact.created"]});
            let mut request = Vec::new();
            post("/api/v1/webhooks", &tenant.api_key, &body.to_string(), &mut request);
            let status = connection.call(&request).await?;
            if status != 201 {
                let body = String::from_utf8_lossy(connection.body());
                return Err(format!("no webhook: the api answered {status}: {body}").into());
            }
            tenants.push(tenant);
        }
        Ok(Self { tenants, receivers })
    }
}
