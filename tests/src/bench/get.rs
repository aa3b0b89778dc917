//! B2: contacts are read by id, any of a million of any of a thousand tenants. The limit: pgbench with the same
//! statements.

use std::sync::Arc;

use super::against_pgbench::{self, CONNECTIONS};
use super::options::Options;
use super::pgbench::PgBench;
use super::population::Population;
use super::report::{Round, Row};
use super::requests::get_contact;
use super::script::{Marker, Script};
use super::stage::Stage;
use super::statements;
use crate::servers::Result;

/// Runs the row.
///
/// # Errors
/// When something fails: a failed request is never a fast one.
pub async fn run(stage: &Stage, options: &Options) -> Result<Row> {
    let population = Arc::new(Population::create(stage, options).await?);
    let mut pgbench = limit(stage, &population).await?;
    let api = stage.api().await?;
    let meter = stage.meter(&[&api])?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds() {
        let limit = against_pgbench::limit(&mut pgbench, options, &meter).await?;
        let population = population.clone();
        let write = move |into: &mut Vec<u8>| {
            let contact = rand::random_range(0..population.contacts());
            let key = &population.api_keys[population.tenant_of(contact)];
            get_contact(key, &Population::contact_id(contact), into);
        };
        let ours = against_pgbench::ours(stage.api_address, options, &meter, 200, write).await?;
        rounds.push(Round { ours, limit });
    }
    api.stop().await?;
    Ok(Row::of_rounds("B2", 0.50, &rounds))
}

/// pgbench with the statements of one request. Tenant and contact vary; the API key that is looked up does not,
/// because pgbench cannot draw one of a thousand texts.
async fn limit(stage: &Stage, population: &Population) -> Result<PgBench> {
    let last = population.contacts() - 1;
    let tenant = population.tenant_of(last);
    let mut request = Vec::new();
    get_contact(&population.api_keys[tenant], &Population::contact_id(last), &mut request);
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
    PgBench::new("B2", stage, script, CONNECTIONS)
}
