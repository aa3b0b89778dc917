//! Lines that were locked when the relay came by. It must not wait, so they are advanced here, later.

use serde::Deserialize;
use shared::Db;
use shared::db::step::{STEP, in_time};
use uuid::Uuid;

use crate::record_order;

/// Lines: webhooks, and a record of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Lines {
    pub(crate) webhooks: Vec<Uuid>,
    pub(crate) records: Vec<Uuid>,
}

impl Lines {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.webhooks.is_empty()
    }

    /// Adds others.
    pub(crate) fn extend(&mut self, others: Self) {
        self.webhooks.extend(others.webhooks);
        self.records.extend(others.records);
    }

    /// Advances them, waiting for whoever holds them. Were they held for too long,
    /// [`mend`](crate::record_order::stuck::mend) finds them.
    pub async fn advance(&self, db: &Db) {
        let advanced = async {
            let mut tx = db.system().await?;
            record_order::advance(&mut tx, &self.webhooks, &self.records).await?;
            tx.commit_lazily().await
        };
        if let Err(error) = in_time(STEP, advanced).await {
            tracing::warn!(%error, "lines that somebody held could not be advanced; they will be");
        }
    }
}
