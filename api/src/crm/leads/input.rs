//! What requests say of leads.

use shared::id::{CompanyId, ContactId, PipelineId, StageId, UserId};
use utoipa::ToSchema;

use super::STATUSES;
use super::amount::{Amount, amount};
use super::place::NOT_WITHOUT_PIPELINE;
use crate::crm::currency;
use crate::http::fields::{Change, Fields, Input};
use crate::http::rules::{self, Rule};

/// What a lead is created from.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"title": "ACME: 40 seats", "status": "new", "value": 12000.5, "currency": "EUR"}))]
pub struct NewLead {
    /// 1 to 100 characters.
    pub title: String,
    /// The status.
    pub status: String,
    /// What it may bring, with at most two decimals.
    #[schema(value_type = Option<f64>)]
    pub value: Option<Amount>,
    /// What the value is counted in; without it the tenant's currency.
    pub currency: Option<String>,
    /// The user who works on it.
    #[schema(value_type = Option<Uuid>)]
    pub owner: Option<UserId>,
    /// The person it is about.
    #[schema(value_type = Option<Uuid>)]
    pub contact_id: Option<ContactId>,
    /// The company it is about.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// The way it goes, from its first stage if `stageId` names no other.
    #[schema(value_type = Option<Uuid>)]
    pub pipeline_id: Option<PipelineId>,
    /// Where it stands; a stage alone names its pipeline.
    #[schema(value_type = Option<Uuid>)]
    pub stage_id: Option<StageId>,
}

/// What changes in a lead: absent fields stay, `null` clears.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"status": "qualified", "value": 15000}))]
pub struct LeadPatch {
    /// Replaces the title.
    pub title: Option<String>,
    /// Says how it stands now; any status may follow any.
    pub status: Option<String>,
    /// Changes the value, which has at most two decimals.
    #[schema(value_type = Option<f64>)]
    pub value: Change<Amount>,
    /// Changes the currency; `null` is the tenant's.
    #[schema(value_type = Option<String>)]
    pub currency: Change<String>,
    /// Changes who works on it.
    #[schema(value_type = Option<Uuid>)]
    pub owner: Change<UserId>,
    /// Changes the person it is about.
    #[schema(value_type = Option<Uuid>)]
    pub contact_id: Change<ContactId>,
    /// Changes the company it is about.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Change<CompanyId>,
    /// Moves it into the pipeline's first stage, unless it is in the pipeline already or `stageId` names another.
    #[schema(value_type = Option<Uuid>)]
    pub pipeline_id: Change<PipelineId>,
    /// Moves it.
    #[schema(value_type = Option<Uuid>)]
    pub stage_id: Change<StageId>,
}

/// Where a lead is to move.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"stageId": "01a2036c-0d4c-7400-87c8-25f570a5ef21"}))]
pub struct Move {
    /// A stage of any pipeline.
    #[schema(value_type = Uuid)]
    pub stage_id: StageId,
}

fn status() -> impl Rule<String> {
    rules::word(STATUSES)
}

impl Input for NewLead {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let title = fields.required("title", rules::line(100));
        let status = fields.required("status", status());
        let value = fields.optional("value", amount());
        let currency = fields.optional("currency", currency::currency());
        let owner = fields.optional("owner", rules::id());
        let contact_id = fields.optional("contactId", rules::id());
        let company_id = fields.optional("companyId", rules::id());
        let pipeline_id = fields.optional("pipelineId", rules::id());
        let stage_id = fields.optional("stageId", rules::id());
        fields.ignore(&["convertedAt"]);
        Some(Self {
            title: title?,
            status: status?,
            value: value?,
            currency: currency?,
            owner: owner?,
            contact_id: contact_id?,
            company_id: company_id?,
            pipeline_id: pipeline_id?,
            stage_id: stage_id?,
        })
    }
}

impl Input for LeadPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let title = fields.replaced("title", rules::line(100));
        let status = fields.replaced("status", status());
        let value = fields.changed("value", amount());
        let currency = fields.changed("currency", currency::currency());
        let owner = fields.changed("owner", rules::id());
        let contact_id = fields.changed("contactId", rules::id());
        let company_id = fields.changed("companyId", rules::id());
        let pipeline_id = fields.changed("pipelineId", rules::id());
        let stage_id = fields.changed("stageId", rules::id());
        if let (Some(Change::Clear), Some(Change::Set(_))) = (&pipeline_id, &stage_id) {
            fields.refuse("stageId", NOT_WITHOUT_PIPELINE);
        }
        fields.ignore(&["convertedAt"]);
        Some(Self {
            title: title?,
            status: status?,
            value: value?,
            currency: currency?,
            owner: owner?,
            contact_id: contact_id?,
            company_id: company_id?,
            pipeline_id: pipeline_id?,
            stage_id: stage_id?,
        })
    }
}

impl Input for Move {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let stage_id = fields.required("stageId", rules::id());
        Some(Self { stage_id: stage_id? })
    }
}
