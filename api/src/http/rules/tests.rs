use rust_decimal::Decimal;
use shared::webhook::target::TargetPolicy;

use super::*;
use crate::http::fields::{Fields, Input};
use crate::http::json;

/// A rule's answer to a JSON text.
fn check<T>(rule: impl Rule<T>, json: &str) -> std::result::Result<T, Vec<(String, String)>> {
    let value = json::parse(json.as_bytes()).unwrap();
    rule.check(value).map_err(|fault| fault.at("x").collect())
}

/// A rule's answer to a string.
fn said<T>(rule: impl Rule<T>, text: &str) -> Option<T> {
    let said = rule.check(Value::String(text.to_owned())).ok();
    agrees(&rule, text, said.is_some());
    said
}

/// What a rule refuses its schema refuses, and the other way round, but for the white space around a text and for
/// what no schema can say: the host of an address, domains in other scripts, and the years that there are.
fn agrees<T>(rule: &impl Rule<T>, text: &str, good: bool) {
    let schema = rule.schema(&mut Vec::new());
    let options = jsonschema::options().should_validate_formats(true);
    let kept = if good { text.trim() } else { text };
    let valid = options.build(&schema).unwrap().is_valid(&kept.into());
    let (host, script) = (text.contains("://"), text.contains('@') && !text.is_ascii());
    let year = schema["format"] == "date-time";
    assert!(
        valid == good || host || script || year,
        "{text:?} is {good} for the rule, not for {schema}"
    );
}

fn fault<T: std::fmt::Debug>(rule: impl Rule<T>, json: &str) -> String {
    let mut faults = check(rule, json).unwrap_err();
    assert_eq!(faults.len(), 1);
    let (path, fault) = faults.remove(0);
    assert_eq!(path, "x");
    fault
}

#[test]
fn a_rule_for_texts_takes_no_other_type() {
    for json in ["null", "true", "5", "1e400", "[]", "[\"Ada\"]", "{}", "{\"name\":\"Ada\"}"] {
        for rule in
            [&line(100) as &dyn Rule<String>, &text(100), &email(), &phone(), &url(), &string()]
        {
            assert_eq!(fault(rule, json), "Must be a string", "{json}");
        }
        assert_eq!(fault(time(), json), "Must be a string", "{json}");
        assert_eq!(fault(id::<Uuid>(), json), "Must be a string", "{json}");
    }
}

#[test]
fn a_line_is_counted_in_characters_after_trimming() {
    for (given, kept) in [
        ("a", "a"),
        ("  Ada  ", "Ada"),
        ("\u{a0}Ada\u{3000}\n", "Ada"),
        (&"a".repeat(100), &"a".repeat(100)),
        (&"é".repeat(100), &"é".repeat(100)),
        (&"😀".repeat(100), &"😀".repeat(100)),
        // e and its accent are two characters.
        (&"e\u{301}".repeat(50), &"e\u{301}".repeat(50)),
        // Marks of direction belong to texts that are written from right to left.
        ("\u{200f}שלום", "\u{200f}שלום"),
    ] {
        assert_eq!(said(line(100), given).as_deref(), Some(kept));
    }
    for given in [
        "",
        "   ",
        "\u{a0}\t\n",
        &"a".repeat(101),
        &"é".repeat(101),
        &"😀".repeat(101),
        &"e\u{301}".repeat(51),
        "a\nb",
        "a\tb",
        "a\u{0}b",
        "a\u{7f}b",
        "a\u{85}b",
    ] {
        assert_eq!(said(line(100), given), None, "{given:?}");
    }
    assert_eq!(fault(line(100), "\"\""), "Must be 1 to 100 characters");
    assert_eq!(fault(line(100), "\"a\\u0001\""), "Must not contain control characters");
    assert_eq!(fault(line(100), "\"a\\u0000\""), "Must not contain NUL characters");
}

#[test]
fn a_text_may_have_lines_and_tabs_but_no_other_control_characters() {
    assert_eq!(said(text(10), " a\n\tb\r\nc \n").as_deref(), Some("a\n\tb\r\nc"));
    assert!(said(text(10), &"é".repeat(10)).is_some());
    for given in ["", "\n", &"é".repeat(11), "a\u{0}", "a\u{8}b", "a\u{1b}b", "a\u{9b}b"] {
        assert_eq!(said(text(10), given), None, "{given:?}");
    }
}

#[test]
fn the_documents_own_phone_is_valid_and_shapes_that_are_none_are_not() {
    for good in ["+1234567890", "+44 20 7946 0958", "(030) 123-4567", "1234567", "+123456789012345"]
    {
        assert!(said(phone(), good).is_some(), "{good}");
    }
    for bad in [
        "",
        "123456",
        "+1234567890123456",
        "12345678a",
        "++1234567",
        "1234567+",
        "phone",
        "１２３４５６７",
        "123\u{0}4567",
        "123\n4567",
        &format!("1234567{}", " ".repeat(20) + &"-".repeat(20)),
    ] {
        assert!(said(phone(), bad).is_none(), "{bad:?}");
    }
    assert_eq!(e164("+44 20 7946-0958").as_deref(), Some("+442079460958"));
    assert_eq!(e164("030 1234567"), None);
}

#[test]
fn an_email_needs_a_name_and_a_host_and_at_most_254_characters() {
    let long =
        |length: usize| format!("{}@{}.com", "a".repeat(64), "b.".repeat((length - 69) / 2) + "b");
    for good in
        ["john@example.com", " a+b@example.co.uk ", "a@b", "o'neil@example.com", "a@exämple.com"]
    {
        assert!(said(email(), good).is_some(), "{good}");
    }
    for bad in [
        "",
        " ",
        "john",
        "@example.com",
        "a@",
        "a b@example.com",
        "a@exa mple.com",
        "a@b\u{0}",
        "a@b\nc@d",
        "a@@b",
        "a@b\r\nc[1.1.1.1]",
        "a@x y[::1]",
        "a@[127.0.0.1]",
        "a@[::1]",
        "a@exa\u{ad}mple.com",
        "a@exa\u{200b}mple.com",
        "a@\u{feff}example.com",
        "a@exämple\u{fe0f}.com",
    ] {
        assert!(said(email(), bad).is_none(), "{bad:?}");
    }
    assert_eq!(long(254).len(), 254);
    assert!(said(email(), &long(254)).is_some());
    assert!(said(email(), &long(256)).is_none());
}

#[test]
fn a_boolean_is_no_word_and_no_number() {
    assert_eq!(check(boolean(), "true"), Ok(true));
    assert_eq!(check(boolean(), "false"), Ok(false));
    for json in ["null", "\"true\"", "\"\"", "0", "1", "[true]", "{}"] {
        assert_eq!(fault(boolean(), json), "Must be true or false", "{json}");
    }
}

#[test]
fn an_integer_is_whole_and_within_its_range() {
    for (json, number) in [
        ("0", 0),
        ("-0", 0),
        ("1", 1),
        ("10000000", 10_000_000),
        ("5.0", 5),
        ("1e3", 1000),
        ("10e-1", 1),
    ] {
        assert_eq!(check(integer(0..=10_000_000), json), Ok(number), "{json}");
    }
    for json in [
        "-1",
        "10000001",
        "3.5",
        "1e-1",
        "1e400",
        "-1e400",
        "1e-400",
        "9223372036854775808",
        "99999999999999999999999999999999999999999",
        "\"12\"",
        "null",
        "true",
        "[1]",
        "{}",
    ] {
        assert_eq!(
            fault(integer(0..=10_000_000), json),
            "Must be a whole number from 0 to 10000000",
            "{json}"
        );
    }
    assert_eq!(check(integer(i64::MIN..=i64::MAX), "-9223372036854775808"), Ok(i64::MIN));
    assert!(check(integer(i64::MIN..=i64::MAX), "-9223372036854775809").is_err());
}

#[test]
fn a_decimal_keeps_every_digit() {
    let most: Decimal = "9999999999999999.99".parse().unwrap();
    for (json, text) in [
        ("0", "0.00"),
        ("0.01", "0.01"),
        ("15000.5", "15000.50"),
        ("1.5e4", "15000.00"),
        ("1.10", "1.10"),
        ("1.100", "1.10"),
        ("9999999999999999.99", "9999999999999999.99"),
    ] {
        assert_eq!(check(decimal(2, most), json).unwrap().to_string(), text, "{json}");
    }
    for json in [
        "-0.01",
        "0.001",
        "1.005",
        "10000000000000000",
        "9999999999999999.991",
        "1e400",
        "1e-400",
        "\"5\"",
        "null",
        "true",
        "[]",
        "{}",
    ] {
        assert_eq!(
            fault(decimal(2, most), json),
            "Must be a number from 0 to 9999999999999999.99 with at most 2 decimal places",
            "{json}"
        );
    }
}

#[test]
fn a_decimals_schema_lets_pass_what_no_binary_fraction_is() {
    let schema = decimal(2, Decimal::new(99_999, 2)).schema(&mut Vec::new());
    let schema = jsonschema::validator_for(&schema).unwrap();
    for (number, good) in
        [(19.99, true), (0.07, true), (999.99, true), (1000.0, false), (-0.01, false)]
    {
        assert_eq!(schema.is_valid(&number.into()), good, "{number}");
    }
}

#[test]
fn a_url_is_one_of_the_web_with_a_host() {
    for good in [
        "https://example.com",
        "HTTP://example.com/path?q=1#top",
        "https://bücher.example/ü",
        "http://[2001:db8::1]:8080/",
        "https://a.example/%20",
        &format!("https://example.com/{}", "a".repeat(2_028)),
    ] {
        assert_eq!(said(url(), good).as_deref(), Some(good));
    }
    for bad in [
        "",
        " ",
        "https://",
        "https:///path",
        "https:example.com",
        "https:/example.com",
        "https:\\\\example.com",
        "https://exa mple.com",
        "https://example.com/a\tb",
        "https://example.com/a b",
        "https://example.com\\@evil.example",
        "https://exam\u{0}ple.com",
        "javascript:alert(1)",
        "mailto:a@example.com",
        "ftp://example.com",
        "//example.com",
        "example",
        "https://256.256.256.256",
        "https://example.com:99999",
        &format!("https://example.com/{}", "a".repeat(2_029)),
    ] {
        assert_eq!(said(url(), bad), None, "{bad:?}");
    }
    let hint = "Must begin with http:// or https://, such as https://example.com/a";
    assert_eq!(fault(url(), "\"example.com/a\""), hint);
    assert_eq!(
        fault(url(), "\"mailto:a@example.com\""),
        "Must be an http or https address with a host"
    );
}

#[test]
fn an_id_is_a_uuid_in_its_usual_form() {
    let usual = "0199a3c8-0000-7000-8000-00000000000a";
    for good in [usual, &usual.to_uppercase()] {
        assert_eq!(said(id::<Uuid>(), good).unwrap().to_string(), usual);
    }
    for bad in [
        "",
        "5",
        "0199a3c8000070008000000000000001",
        "{0199a3c8-0000-7000-8000-000000000001}",
        "urn:uuid:0199a3c8-0000-7000-8000-000000000001",
        "0199a3c8-0000-7000-8000-00000000000g",
        " 0199a3c8-0000-7000-8000-00000000000a",
        "contact-123",
    ] {
        assert!(said(id::<Uuid>(), bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_word_is_one_of_those_known_in_their_own_case() {
    static WORDS: [&str; 2] = ["new", "lost"];
    let rule = || one_of(&WORDS, |word| word);
    assert_eq!(said(rule(), "lost"), Some("lost"));
    for json in
        ["\"Lost\"", "\" lost\"", "\"\"", "\"lo\\u0000st\"", "null", "0", "[\"lost\"]", "{}"]
    {
        assert_eq!(fault(rule(), json), "Must be one of new, lost", "{json}");
    }
}

#[test]
fn a_time_has_an_offset_and_is_kept_in_utc_to_the_millisecond() {
    for (given, kept) in [
        ("2025-11-02T10:00:00Z", "2025-11-02T10:00:00.000Z"),
        ("2025-11-02T10:00:00.123456789+01:00", "2025-11-02T09:00:00.123Z"),
        ("2025-11-02t10:00:00z", "2025-11-02T10:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(shared::clock::rfc3339(said(time(), given).unwrap()), kept);
    }
    for bad in [
        "",
        "2025-11-02",
        "2025-11-02T10:00:00",
        "10:00:00Z",
        "2025-02-30T10:00:00Z",
        "2025-11-02T24:00:00Z",
        "2025-11-02T10:00:00+25:00",
        "0000-12-31T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "1762077600",
        "yesterday",
    ] {
        assert!(said(time(), bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_list_tells_every_failing_item_by_its_place() {
    assert_eq!(check(list(0..=2, boolean()), "[]"), Ok(vec![]));
    assert_eq!(check(list(1..=2, boolean()), "[true,false]"), Ok(vec![true, false]));
    for json in ["[]", "[true,true,true]", "true", "null", "{}", "\"true\""] {
        assert_eq!(fault(list(1..=2, boolean()), json), "Must be a list of 1 to 2", "{json}");
    }
    assert_eq!(fault(list(0..=2, boolean()), "5"), "Must be a list of at most 2");
    let faults = check(list(1..=3, boolean()), "[1,true,null]").unwrap_err();
    let fault = "Must be true or false".to_owned();
    assert_eq!(faults, [("x[0]".to_owned(), fault.clone()), ("x[2]".to_owned(), fault)]);
}

#[test]
fn records_in_a_list_tell_every_failing_field_by_its_path() {
    #[derive(utoipa::ToSchema)]
    struct Stage;

    impl Input for Stage {
        fn read(fields: &mut Fields<'_>) -> Option<Self> {
            let name = fields.required("name", line(5));
            let order = fields.required("displayOrder", integer(0..=9));
            name.and(order).map(|_| Self)
        }
    }

    let targets = TargetPolicy::new(false, Vec::new());
    let rule = list(1..=3, record::<Stage>(&targets));
    let good = r#"[{"name":"a","displayOrder":0,"createdAt":"now"}]"#;
    assert!(check(&rule, good).is_ok());
    let bad = r#"[{"name":"abcdef","displayOrder":-1},5,{"colour":1,"displayOrder":1}]"#;
    let faults = check(&rule, bad).err().unwrap();
    let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["x[0].displayOrder", "x[0].name", "x[1]", "x[2].colour", "x[2].name"]);
}
