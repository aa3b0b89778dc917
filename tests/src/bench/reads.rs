//! B2 and B3: contacts are read, any of a million of any of a thousand tenants. The limit: pgbench with the same
//! statements.

use std::sync::Arc;

use super::against_pgbench::{self, CONNECTIONS};
use super::options::Options;
use super::pgbench::PgBench;
use super::population::Population;
use super::report::{Round, Row};
use super::requests::get;
use super::script::{Marker, Script};
use super::stage::Stage;
use super::statements;
use crate::servers::Result;

/// A row that reads.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    id: &'static str,
    /// What is asked about a contact, counted from 0.
    query: fn(u64) -> String,
}

/// B2: a contact by its id.
pub const ONE: Read =
    Read { id: "B2", query: |contact| format!("/{}", Population::contact_id(contact)) };

/// B3: the first page of those of a company, with their total: 20 of 50 of the tenant's 1,000.
pub const PAGE: Read = Read { id: "B3", query: |_| "?company=company%200&pageSize=20".into() };

impl Read {
    /// Runs the row.
    ///
    /// # Errors
    /// When something fails: a failed request is never a fast one.
    pub async fn run(
        self,
        stage: &Stage,
        options: &Options,
        population: &Arc<Population>,
    ) -> Result<Row> {
        let mut pgbench = self.limit(stage, population).await?;
        let api = stage.api().await?;
        let meter = stage.meter(&[&api])?;
        let mut rounds = Vec::new();
        for _ in 0..options.rounds() {
            let limit = against_pgbench::limit(&mut pgbench, options, &meter).await?;
            let population = population.clone();
            let write = move |into: &mut Vec<u8>| {
                self.request(&population, rand::random_range(0..population.contacts()), into);
            };
            let ours =
                against_pgbench::ours(stage.api_address, options, &meter, 200, write).await?;
            rounds.push(Round { ours, limit });
        }
        api.stop().await?;
        Ok(Row::of_rounds(self.id, 0.50, &rounds))
    }

    /// Asks it of a contact's tenant.
    pub fn request(self, population: &Population, contact: u64, into: &mut Vec<u8>) {
        let key = &population.api_keys[population.tenant_of(contact)];
        get(&format!("/api/v1/connection/contacts{}", (self.query)(contact)), key, into);
    }

    /// pgbench with the statements of one request. Tenant and contact vary; the API key that is looked up does not,
    /// because pgbench cannot draw one of a thousand texts.
    async fn limit(self, stage: &Stage, population: &Population) -> Result<PgBench> {
        let last = population.contacts() - 1;
        let tenant = population.tenant_of(last);
        let mut request = Vec::new();
        self.request(population, last, &mut request);
        let (statements, _) = statements::of_request(stage, [&request, &request]).await?;

        let (t, n) = (Population::tenant_digits(tenant), Population::contact_digits(last));
        let markers = [Marker { digits: &t, variable: "t" }, Marker { digits: &n, variable: "n" }];
        let set_up = format!(
            "\\set c random(1, {})\n\\set t {} + (:c - 1) / {}\n\\set n {} + :c - 1\n",
            population.contacts(),
            Population::tenant_digits(0),
            population.contacts_each,
            Population::contact_digits(0),
        );
        let script = Script::new(&set_up, &statements, &markers)?;
        PgBench::new(self.id, stage, script, CONNECTIONS)
    }
}
