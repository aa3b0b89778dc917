//! One statement that finds a record. It sets its tenant itself, so that it can be a whole transaction: one round trip
//! in place of three (docs/decisions/0039).

/// Finds one record in a transaction. The text is that of a `select` with a `where`, to which the tenant is added; its
/// own parameters begin with `$2`.
///
/// The order comes from the data, not from the plan: `offset 0` keeps the select apart, and it cannot begin before it
/// has been told the tenant. So the policies see the right tenant, or none.
#[macro_export]
macro_rules! find {
    ($tx:expr, $record:ty, $select:literal, $($value:expr),+ $(,)?) => {
        async {
            let tx: &mut $crate::TenantTx = $tx;
            let tenant = tx.tenant();
            $crate::again!(tx, |conn| sqlx::query_as!(
                $record,
                "with caller as materialized (
                    select set_config('app.tenant_id', $1::uuid::text, true)::uuid as tenant)
                select found.* from caller cross join lateral (
                    " + $select + " and tenant_id = caller.tenant offset 0) found",
                tenant.0,
                $($value),+
            )
            .fetch_optional(conn))
        }
    };
}
