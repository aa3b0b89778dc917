//! What a caller may do. Keys carry scopes; users carry a role, which stands for a set of scopes.

crate::words! {
    /// A right, as API keys carry it and routes ask for it.
    pub enum Scope {
        ContactsRead = "contacts:read",
        ContactsWrite = "contacts:write",
        ContactsErase = "contacts:erase",
        CompaniesRead = "companies:read",
        CompaniesWrite = "companies:write",
        LeadsRead = "leads:read",
        LeadsWrite = "leads:write",
        PipelinesRead = "pipelines:read",
        PipelinesWrite = "pipelines:write",
        ActivitiesRead = "activities:read",
        ActivitiesWrite = "activities:write",
        WebhooksRead = "webhooks:read",
        WebhooksWrite = "webhooks:write",
        WebhooksSecrets = "webhooks:secrets",
        ApiKeysRead = "api_keys:read",
        ApiKeysWrite = "api_keys:write",
        UsersRead = "users:read",
        SettingsRead = "settings:read",
        SettingsWrite = "settings:write",
        AuditRead = "audit:read",
    }
}

crate::words! {
    /// What a user is in its tenant (requirement T-5).
    pub enum Role {
        /// May do everything.
        Owner = "owner",
        /// May do everything but what only an owner may (none of today's scopes).
        Admin = "admin",
        /// Works with the CRM's records.
        Member = "member",
        /// Looks at the CRM's records.
        ReadOnly = "read_only",
    }
}

impl Role {
    /// Whether the role holds the scope.
    #[must_use]
    pub fn holds(self, scope: Scope) -> bool {
        use Scope as S;
        match self {
            Role::Owner | Role::Admin => true,
            Role::Member => !matches!(
                scope,
                S::ContactsErase
                    | S::WebhooksWrite
                    | S::WebhooksSecrets
                    | S::ApiKeysRead
                    | S::ApiKeysWrite
                    | S::SettingsWrite
                    | S::AuditRead
            ),
            Role::ReadOnly => {
                scope.as_str().ends_with(":read") && !matches!(scope, S::ApiKeysRead | S::AuditRead)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_no_more_than_the_one_above_it() {
        for pair in Role::ALL.windows(2) {
            assert!(Scope::ALL.iter().all(|&scope| pair[0].holds(scope) || !pair[1].holds(scope)));
        }
        assert!(!Role::ReadOnly.holds(Scope::ContactsWrite));
        assert!(!Role::Member.holds(Scope::ApiKeysWrite));
        assert!(
            Role::Admin.holds(Scope::ContactsErase) && !Role::Member.holds(Scope::ContactsErase)
        );
    }
}
