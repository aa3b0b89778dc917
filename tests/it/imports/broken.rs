//! Files that are broken, as a whole or in some rows.

use serde_json::{Value, json};
use tests::kit::TestApp;

use super::{IMPORTS, at, counts, csv, import, named, send, total};

#[tokio::test]
async fn a_file_of_failed_rows_keeps_the_fields_of_contacts_and_what_had_no_column() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut wide: serde_json::Map<String, Value> =
        (0..250).map(|n| (format!("a{n:03}"), json!(n))).collect();
    wide.insert("name".into(), json!("Ada"));
    wide.insert("phone".into(), json!("+491234567"));
    let done = import(&acme, "", json!([wide])).await.ok();
    let file = acme.get(&format!("{}/errors.csv", at(&done))).await.body;
    let header = file.as_str().unwrap().lines().next().unwrap();
    assert!(header.starts_with("name,phone,a000,") && header.contains(",a199,_row"), "{header}");

    let text = "name,company,phone\nAda,Acme, Inc.,+491234567\n";
    let done = csv(&acme, "", text).await.ok();
    let input = &done["errors"][0]["input"];
    assert_eq!((&input["phone"], &input["_rest"]), (&json!(" Inc."), &json!("+491234567")));
    let file = acme.get(&format!("{}/errors.csv", at(&done))).await.body;
    let file = file.as_str().unwrap();
    assert!(file.contains(",_rest,") && file.contains("+491234567"), "{file}");
}

#[tokio::test]
async fn a_quote_that_does_not_end_is_told_with_its_line_and_nothing_is_imported() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (file, told) in [
        ("name,email\nAda,\n\"Bob,\nEve,\n", "line 3: a quoted cell begins here and does not end"),
        (
            "name,email\r\n\r\n\"A\r\nB\",\r\n\"Bob\" B,\r\n",
            "line 5: something follows a quoted cell",
        ),
        ("\"name", "line 1: a quoted cell begins here and does not end"),
    ] {
        let body = csv(&acme, "", file).await.problem(400, "BAD_REQUEST");
        assert_eq!(body["error"], format!("The file is not CSV: {told}"));
    }
    let long = format!("name\nAda\n\"{}", "x\n".repeat(40_000));
    csv(&acme, "", &long).await.invalid(&json!({"line 3": "A row must be at most 64 KiB"}));
    let many = format!("name\n{}\"Bob", "Ada\n".repeat(2000));
    csv(&acme, "", &many).await.problem(400, "BAD_REQUEST");
    assert_eq!(total(&acme).await, 0);
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn signs_inside_a_cell_without_quotes_are_taken_as_they_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,company\rAda,5\" Disks\r,\r";
    assert_eq!(counts(&csv(&acme, "", file).await.ok()), [1, 0, 0, 0]);
    assert_eq!(named(&acme, "Ada").await["company"], "5\" Disks");
}

#[tokio::test]
async fn other_encodings_than_utf_8_are_refused_and_a_row_in_one_fails_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let utf_16 = |bom: &[u8], text: &str| -> Vec<u8> {
        bom.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    for file in [
        utf_16(b"\xff\xfe", "name\nAda\n"),
        utf_16(b"", "name\nAda\n"),
        b"name,stra\xdfe\nAda,x\n".to_vec(),
    ] {
        let body = send(&acme, "", "text/csv", file).await.problem(400, "BAD_REQUEST");
        assert_eq!(body["error"], "The file must be UTF-8");
    }
    for file in [
        b"\xef\xbb\xbf{\"contacts\":[{\"name\":\"Ada\"}]}".to_vec(),
        b"{\"contacts\":[{\"name\":\"Zo\xeb\"}]}".to_vec(),
    ] {
        send(&acme, "", "application/json", file).await.problem(400, "INVALID_JSON");
    }
    assert_eq!(total(&acme).await, 0);

    let latin = b"name,email\nZo\xeb,z@example.com\nAda,\n".to_vec();
    let done = send(&acme, "", "text/csv", latin).await.ok();
    assert_eq!(counts(&done), [1, 0, 0, 1]);
    assert_eq!(done["errors"][0]["details"], json!({"row": "Must be UTF-8"}));
    assert_eq!(done["errors"][0]["input"]["name"], "Zo\u{fffd}");
    let lines = b"{\"name\":\"Zo\xeb\"}\n{\"name\":\"Bob\"}\n".to_vec();
    let done = send(&acme, "", "application/x-ndjson", lines).await.ok();
    assert_eq!(counts(&done), [1, 0, 0, 1]);
    assert_eq!(done["errors"][0]["code"], "INVALID_JSON");
}

#[tokio::test]
async fn whatever_a_row_holds_is_told_and_comes_back_in_the_file_of_failed_rows() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let rows = [
        r#"{"name":"A\u0000"}"#,
        r#"{"a\u0000":1.50,"name":"B"}"#,
        r#"{"name":"\ud800"}"#,
        r#"{"name":"C","name":"D"}"#,
        r#"["E, F"]"#,
        "7",
        &deep,
    ];
    let lines = format!("{}\n{{\"name\":\"G\nH\0\"}}\n", rows.join("\n"));
    let done = send(&acme, "", "application/x-ndjson", lines).await.ok();
    assert_eq!(counts(&done), [0, 0, 0, 9]);
    let errors = done["errors"].as_array().unwrap();
    let codes: Vec<_> = errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
    let (rule, json) = ("VALIDATION_ERROR", "INVALID_JSON");
    assert_eq!(codes, [rule, rule, json, json, rule, rule, json, json, json]);
    assert_eq!(errors[0]["details"]["name"], "Must not contain NUL characters");
    assert_eq!(errors[1]["details"], json!({"a\0": "Unknown field"}));
    assert_eq!(errors[3]["input"], rows[3], "what is no strict JSON is shown as it was sent");
    assert_eq!(errors[6]["input"].as_str().unwrap().len(), 60_000);

    let file = acme.get(&format!("{}/errors.csv", at(&done))).await;
    let text = file.body.as_str().unwrap();
    let line = |number: usize| text.split("\r\n").nth(number).unwrap();
    assert_eq!(line(0), "name,a\0,_input,_row,_line,_errors");
    assert_eq!(line(2), "B,1.50,,2,2,a\0: Unknown field");
    assert_eq!(line(5), r#",,"[""E, F""]",5,5,row: Must be an object"#);

    let same = format!("{{\"contacts\":[{}]}}", rows.join(","));
    let again = send(&acme, "", "application/json", same).await.ok();
    assert_eq!(counts(&again), [0, 0, 0, 7]);
    let nul: Value = send(&acme, "", "text/csv", "name,email\nA\0,\n").await.ok();
    assert_eq!(nul["errors"][0]["details"]["name"], "Must not contain NUL characters");
}

#[tokio::test]
async fn a_form_that_breaks_off_or_brings_too_much_before_its_file_imports_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let form = "multipart/form-data; boundary=xx";
    let head = "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n";
    for body in
        [head.to_owned(), format!("{head}\r\nname\nAda\n"), format!("{head}\r\nname\nAda\r\n--x")]
    {
        send(&acme, "", form, body).await.problem(400, "BAD_REQUEST");
    }
    for body in [
        format!("{head}X: {}", "x".repeat(3_000_000)),
        format!(
            "--xx\r\nContent-Disposition: form-data; name=\"mapping\"\r\n\r\n{}",
            " ".repeat(3_000_000)
        ),
    ] {
        send(&acme, "", form, body).await.problem(413, "PAYLOAD_TOO_LARGE");
    }
    assert_eq!(total(&acme).await, 0);
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 0);
}
