//! Looks for a text in every column of every table.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sqlx::{AssertSqlSafe, PgPool};

/// The forms in which a text may lie somewhere, in lower case where case may have been folded.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_lowercase()];
    let percent: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped: Vec<_> = text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let hex: Vec<_> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.extend([percent, escaped, hex].map(|form| form.concat()));
    // Inside a longer text it may begin at any of three places of base64; the edges depend on its neighbours.
    for skipped in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let padded = [vec![0; skipped], text.as_bytes().to_vec()].concat();
            let encoded = engine.encode(padded);
            forms.push(encoded[(skipped * 8).div_ceil(6)..encoded.len() - 1].to_lowercase());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Where the texts occur: `table.column: n`.
pub async fn hits(admin: &PgPool, texts: &[&str]) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select format('%I.%I', n.nspname, c.relname), format('%I', a.attname)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
         where c.relkind in ('r', 'p', 'm') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema')
           and n.nspname !~ '^pg_(toast|temp)' and a.attnum > 0 and not a.attisdropped",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    assert!(columns.len() > 200, "the catalogue has few columns: {}", columns.len());
    let forms: Vec<String> = texts.iter().flat_map(|text| forms(text)).collect();
    let mut hits = Vec::new();
    for (table, column) in columns {
        let sql = format!(
            "select count(*) from {table} t where exists (
                 select from unnest($1::text[]) f where strpos(lower(t.{column}::text), f) > 0)"
        );
        let found: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(&forms).fetch_one(admin).await.unwrap();
        if found > 0 {
            hits.push(format!("{table}.{column}: {found}"));
        }
    }
    hits
}

#[test]
fn a_text_is_known_in_its_other_forms() {
    let forms = forms("Qzv Mark");
    let engine = base64::engine::general_purpose::STANDARD;
    for around in ["", "a", "ab", "abc", "name: "] {
        let encoded = engine.encode(format!("{around}Qzv Mark{around}")).to_lowercase();
        assert!(forms.iter().any(|form| encoded.contains(form.as_str())), "{around:?}");
    }
}
