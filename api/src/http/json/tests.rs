use super::*;

fn fault(text: impl AsRef<[u8]>) -> String {
    match parse(text.as_ref()) {
        Err(Error::InvalidJson(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_value_is_read_as_it_was_written() {
    let read = parse(
        r#" {"a":[null,true,false,-0,1.50E+3,"\u00e9\ud83d\ude00\u0000"],"":{}} "#.as_bytes(),
    );
    let number = |text| Value::Number(Number::written(text));
    let items = vec![
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        number("-0"),
        number("1.50E+3"),
        Value::String("é😀\0".to_owned()),
    ];
    let members =
        [("a".to_owned(), Value::Array(items)), (String::new(), Value::Object(Members::new()))];
    assert_eq!(read.unwrap(), Value::Object(Members::from(members)));
}

#[test]
fn a_name_given_twice_is_told_with_its_path_at_any_depth_and_however_it_is_written() {
    for (text, path) in [
        (r#"{"a":1,"a":1}"#, "a"),
        (r#"{"a":1,"b":2,"\u0061":3}"#, "a"),
        (r#"{"stages":[{},{"name":1,"name":2}]}"#, "stages[1].name"),
        (r#"[{"a":{"b":null,"b":null}}]"#, "[0].a.b"),
        (r#"{"":1,"":2}"#, ""),
    ] {
        let expected =
            if path.is_empty() { "given twice".to_owned() } else { format!("{path}: given twice") };
        assert_eq!(fault(text), expected);
    }
    assert!(parse(br#"{"a":{"a":{"a":1}},"A":1}"#).is_ok());
}

#[test]
fn nesting_ends_at_its_limit_however_much_of_it_there_is() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(fault(nested(MAX_DEPTH + 1)).ends_with("nested deeper than 16 levels"));
    assert!(fault(nested(500_000)).ends_with("nested deeper than 16 levels"));
    assert!(fault("[".repeat(1_000_000)).starts_with("EOF while parsing"));
    assert!(fault(r#"{"a":"#.repeat(17) + "1" + &"}".repeat(17)).starts_with("a.a.a.a"));
}

#[test]
fn values_are_counted_so_that_a_small_text_does_not_take_much_memory() {
    let list = |count| format!("[{}]", vec!["0"; count].join(","));
    assert!(parse(list(MAX_VALUES).as_bytes()).is_ok());
    assert_eq!(fault(list(MAX_VALUES + 1)), "more than 20000 values");
    let objects = format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; MAX_VALUES / 2].join(","));
    assert_eq!(fault(objects), "a[9999]: more than 20000 values");
}

#[test]
fn a_fault_shows_the_beginning_of_a_long_name() {
    let name = "é".repeat(1000);
    let short = "é".repeat(64) + "…";
    assert_eq!(fault(format!(r#"{{"{name}":1,"{name}":1}}"#)), format!("{short}: given twice"));
}

#[test]
fn what_is_no_text_of_the_grammar_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[1e]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "[nul]",
        "[\"\t\"]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "\u{feff}{}",
        "{} {}",
        "{}//",
        "\0",
    ] {
        fault(text);
    }
    assert_eq!(fault(b"[\"\xff\"]"), "no UTF-8 after 2 bytes");
    // An overlong form of /, and a surrogate in UTF-8.
    for bytes in [&b"[\"\xc0\xaf\"]"[..], b"[\"\xed\xa0\x80\"]", b"[\"\xf0\x9f\"]"] {
        assert_eq!(fault(bytes), "no UTF-8 after 2 bytes");
    }
}

#[test]
fn a_lone_surrogate_is_refused_in_values_and_names() {
    for text in
        [r#"{"a":"\ud800"}"#, r#"{"a":"\udc00"}"#, r#"{"a":"\ud800\ud800"}"#, r#"{"a":"\ud83dx"}"#]
    {
        assert_eq!(fault(text), "a: a lone surrogate");
    }
    assert_eq!(fault(r#"{"\ud800":1}"#), "a lone surrogate");
    assert_eq!(fault(r#"[{"\udfff":1}]"#), "[0]: a lone surrogate");
}
