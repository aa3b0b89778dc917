//! The guide, the schema and the code know the same codes.

use shared::webhook::code::ErrorCode;

fn known() -> Vec<&'static str> {
    ErrorCode::NAMES.to_vec()
}

#[test]
fn the_guide_explains_every_code_in_the_catalogues_order_and_no_other() {
    let guide = include_str!("../../../docs/webhooks.md");
    let table = guide.split("| code | meaning |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let codes: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(codes, known());
}

#[test]
fn the_schema_lists_every_code() {
    let document = crate::openapi::document();
    let mut listed: Vec<String> =
        serde_json::from_value(document["components"]["schemas"]["ErrorCode"]["enum"].clone())
            .unwrap();
    let mut known = known();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}
