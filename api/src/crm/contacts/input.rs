//! What requests say of contacts.

use shared::contacts::ContactPatch;
use shared::id::CompanyId;
use utoipa::ToSchema;

use crate::http::fields::{Fields, Input};
use crate::http::rules;

/// What a contact is created from.
#[derive(Clone, Debug, Default, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "ACME Corp"}))]
pub struct NewContact {
    /// 1 to 100 characters.
    pub name: String,
    /// An e-mail address.
    pub email: Option<String>,
    /// 7 to 15 digits, with `+`, spaces, dots, dashes and brackets.
    pub phone: Option<String>,
    /// 1 to 100 characters; without it, the name of `companyId`.
    pub company: Option<String>,
    /// A company of the tenant.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// What another system calls it, 1 to 100 characters; no two contacts of the tenant share it.
    pub external_id: Option<String>,
}

impl Input for NewContact {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", rules::line(100));
        let email = fields.optional("email", rules::email());
        let phone = fields.optional("phone", rules::phone());
        let company = fields.optional("company", rules::line(100));
        let company_id = fields.optional("companyId", rules::id());
        let external_id = fields.optional("externalId", rules::line(100));
        fields.ignore(&["phoneE164"]);
        Some(Self {
            name: name?,
            email: email?,
            phone: phone?,
            company: company?,
            company_id: company_id?,
            external_id: external_id?,
        })
    }
}

impl Input for ContactPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.replaced("name", rules::line(100));
        let email = fields.changed("email", rules::email());
        let phone = fields.changed("phone", rules::phone());
        let company = fields.changed("company", rules::line(100));
        let company_id = fields.changed("companyId", rules::id());
        let external_id = fields.changed("externalId", rules::line(100));
        fields.ignore(&["phoneE164"]);
        Some(Self {
            name: name?,
            email: email?,
            phone: phone?,
            company: company?,
            company_id: company_id?,
            external_id: external_id?,
        })
    }
}
