//! The sectors that a company can be in (requirement CO-7).

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::http::rules::{self, Rule};

/// Every sector there is: what is accepted, documented and listed by `/api/v1/meta/enums`.
pub const INDUSTRIES: &[&str] = &[
    "agriculture",
    "automotive",
    "aerospace",
    "banking",
    "biotechnology",
    "chemicals",
    "construction",
    "consulting",
    "consumer_goods",
    "education",
    "energy",
    "entertainment",
    "financial_services",
    "food_and_beverage",
    "government",
    "healthcare",
    "hospitality",
    "insurance",
    "legal",
    "logistics",
    "manufacturing",
    "media",
    "mining",
    "nonprofit",
    "other",
    "pharmaceuticals",
    "real_estate",
    "retail",
    "technology",
    "telecommunications",
    "utilities",
];

/// A sector.
pub(super) fn industry() -> impl Rule<String> {
    rules::word(INDUSTRIES)
}

/// The schema of a field that holds one of them, or nothing.
pub(super) fn schema() -> RefOr<Schema> {
    let words = INDUSTRIES.iter().copied().map(Some).chain([None]);
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("A sector."))
        .enum_values(Some(words))
        .into()
}
