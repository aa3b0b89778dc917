//! Every form that a file can have, and what is wrong with those that have none.

use axum::body::Bytes;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant, TestApp};

use super::{counts, csv, import, named, people, send, total};
use crate::contacts::at as contact_at;

const FORM: &str = "multipart/form-data; boundary=xx";

/// The body of a form whose boundary is `xx`.
fn form_of(parts: &[(&str, &str)]) -> String {
    let part = |(head, text): &(&str, &str)| {
        format!("--xx\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
    };
    parts.iter().map(part).collect::<Vec<_>>().concat() + "--xx--\r\n"
}

async fn form(tenant: &Tenant, query: &str, parts: &[(&str, &str)]) -> tests::kit::Answer {
    send(tenant, query, FORM, form_of(parts)).await
}

/// Sends CSV with a mapping.
pub async fn with_mapping(tenant: &Tenant, mapping: &str, text: &str) -> tests::kit::Answer {
    form(tenant, "", &[("name=\"mapping\"", mapping), ("name=\"file\"", text)]).await
}

#[tokio::test]
async fn json_lines_csv_and_forms_bring_the_same_contact() {
    let app = TestApp::start().await;
    let one = r#"{"name":"Ada","email":"ada@example.com","externalId":"7"}"#;
    let mapping = r#"{"Who":"name","Mail":"email","No":"externalId","Rest":null}"#;
    let table = "name=\"file\"; filename=\"a.csv\"\r\nContent-Type: application/vnd.ms-excel";
    let files = [
        ("application/json", format!("{{\"contacts\":[{one}]}}")),
        ("application/x-ndjson", format!("{one}\n\n")),
        (
            "text/csv; charset=utf-8",
            "Name,E-Mail,external_id\r\nAda,ada@example.com,7\r\n".to_owned(),
        ),
        (
            "text/csv",
            "\u{feff}name;email;externalId;_errors\nAda;ada@example.com;7;none\n".to_owned(),
        ),
        ("text/csv", "name\temail\texternalid\nAda\tada@example.com\t7".to_owned()),
        (
            FORM,
            form_of(&[
                ("name=\"mapping\"", mapping),
                (table, "Who,Mail,No,Rest\r\nAda,ada@example.com,7,x"),
            ]),
        ),
    ];
    for (number, (media_type, file)) in files.into_iter().enumerate() {
        let acme = app.tenant(&format!("acme{number}")).await;
        let import = send(&acme, "", media_type, file).await.ok();
        assert_eq!(counts(&import), [1, 0, 0, 0], "{media_type}: {import:#}");
        assert_eq!((&import["status"], &import["total"]), (&json!("completed"), &json!(1)));
        let ada = named(&acme, "Ada").await;
        assert_eq!((&ada["email"], &ada["externalId"]), (&json!("ada@example.com"), &json!("7")));
    }
}

#[tokio::test]
async fn every_mode_works_in_every_format() {
    let app = TestApp::start().await;
    let ada = r#"{"name":"Ada L","email":"ADA@example.com"}"#;
    let bob = r#"{"name":"Bob","email":"bob@example.com"}"#;
    let lines = format!("{ada}\n{bob}\n");
    let files = [
        ("application/json", format!("{{\"contacts\":[{ada},{bob}]}}")),
        ("application/x-ndjson", format!("{ada}\r\n{bob}")),
        ("text/csv", "email;name\nADA@example.com;Ada L\n;\nbob@example.com;Bob\n".to_owned()),
        (FORM, form_of(&[("name=\"file\"; filename=\"a.jsonl\"", &lines)])),
    ];
    for (number, (media_type, file)) in files.iter().enumerate() {
        for (mode, expected, name) in [
            ("create", [2, 0, 0, 0], "Ada"),
            ("upsert", [1, 1, 0, 0], "Ada L"),
            ("skip", [1, 0, 1, 0], "Ada"),
        ] {
            for waits in ["auto", "true"] {
                let acme = app.tenant(&format!("{mode}{number}{waits}")).await;
                let ada = json!({"name": "Ada", "email": "ada@example.com"});
                let ada = acme.post(CONTACTS, ada).await.created();
                let query = format!("?mode={mode}&async={waits}");
                let answer = send(&acme, &query, media_type, file.clone()).await;
                app.worker().import().await.unwrap();
                let done = acme.get(&super::at(&answer.body["data"])).await.ok();
                assert_eq!(counts(&done), expected, "{mode} {media_type}: {done:#}");
                assert_eq!(acme.get(&contact_at(&ada)).await.ok()["name"], name);
                assert_eq!(total(&acme).await, if mode == "create" { 3 } else { 2 });
            }
        }
    }
}

#[tokio::test]
async fn a_file_may_arrive_in_pieces_of_any_size() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "\u{feff}Name;E-Mail\r\n\"Zo\u{eb}; \"\"Z\"\"\";z@example.com\r\n";
    let bytes: Vec<u8> = file.into();
    let pieces = bytes
        .into_iter()
        .map(|byte| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(vec![byte]))));
    let body = reqwest::Body::wrap(StreamBody::new(futures_util::stream::iter(pieces)));
    let import = send(&acme, "", "text/csv", body).await.ok();
    assert_eq!(counts(&import), [1, 0, 0, 0], "{import:#}");
    assert_eq!(named(&acme, "Zo\u{eb}; \"Z\"").await["email"], "z@example.com");
}

#[tokio::test]
async fn cells_may_be_quoted_and_span_lines_and_errors_name_the_line_they_begin_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = "name,company,email\r\n\"Ada \"\"L\"\"\",\"A, B\",\r\n\"two\nlines\",,\r\nBob,,nowhere\r\nEve\r\n";
    let import = csv(&acme, "", file).await.ok();
    assert_eq!(counts(&import), [1, 0, 0, 3]);
    assert_eq!(named(&acme, "Ada \"L\"").await["company"], "A, B");
    let errors = import["errors"].as_array().unwrap();
    let told: Vec<_> = errors.iter().map(|e| (&e["row"], &e["line"], &e["details"])).collect();
    assert_eq!(
        told,
        [
            (&json!(2), &json!(3), &json!({"name": "Must not contain control characters"})),
            (&json!(3), &json!(5), &json!({"email": "Invalid email format"})),
            (&json!(4), &json!(6), &json!({"row": "Has 1 cells, the header has 3"})),
        ]
    );
    assert_eq!(errors[1]["input"], json!({"name": "Bob", "company": "", "email": "nowhere"}));
}

#[tokio::test]
async fn every_failing_field_of_every_row_is_named_and_the_good_rows_are_taken() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rows = json!([
        {"name": "Ada"},
        {"email": "x", "phone": "y", "company": " ", "companyId": "z", "nick": 1},
        5,
        {"name": null},
        {"name": "Bob", "companyId": "01900000-0000-7000-8000-000000000000"},
    ]);
    let import = import(&acme, "", rows).await.ok();
    assert_eq!(counts(&import), [1, 0, 0, 4]);
    let details: Vec<&Value> =
        import["errors"].as_array().unwrap().iter().map(|error| &error["details"]).collect();
    assert_eq!(details[0]["nick"], "Unknown field");
    assert_eq!(details[0]["name"], "Is required");
    assert_eq!(details[0].as_object().unwrap().len(), 6, "{:#}", details[0]);
    assert_eq!(details[1], &json!({"row": "Must be an object"}));
    assert_eq!(details[2], &json!({"name": "Must not be null"}));
    assert_eq!(details[3], &json!({"companyId": "No such company"}));
    assert_eq!(total(&acme).await, 1);
    let twice =
        send(&acme, "", "application/x-ndjson", "{\"name\":\"A\",\"name\":\"B\"}\n{\n").await;
    let twice = twice.ok();
    assert_eq!(counts(&twice), [0, 0, 0, 2]);
    assert_eq!(twice["errors"][0]["code"], "INVALID_JSON");
    assert_eq!(twice["errors"][1]["line"], 2);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_a_whole_imports_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let json = "application/json";
    for (media_type, file, status, code) in [
        (json, "", 400, "INVALID_JSON"),
        (json, "{\"contacts\":[{\"name\":\"Ada\"}", 400, "INVALID_JSON"),
        (json, "{\"contacts\":[{\"name\":\"Ada\"}]} x", 400, "INVALID_JSON"),
        (json, "[]", 400, "BAD_REQUEST"),
        (json, "null", 400, "BAD_REQUEST"),
        (json, "\"contacts\"", 400, "BAD_REQUEST"),
        (json, "{}", 400, "VALIDATION_ERROR"),
        (json, "{\"contacts\":[]}", 400, "VALIDATION_ERROR"),
        (json, "{\"contacts\":[{\"name\":\"Ada\"}],\"x\":1}", 400, "VALIDATION_ERROR"),
        (json, "{\"contacts\":[],\"contacts\":[]}", 400, "VALIDATION_ERROR"),
        ("application/x-ndjson", "\n", 400, "VALIDATION_ERROR"),
        ("text/csv", "", 400, "BAD_REQUEST"),
        ("text/csv", "name\n", 400, "VALIDATION_ERROR"),
        ("text/csv", "name,shoe size,name\nAda,7,Ada\n", 400, "VALIDATION_ERROR"),
        ("text/plain", "Ada", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data", "", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data; boundary=x", "--x--\r\n", 400, "VALIDATION_ERROR"),
        ("multipart/form-data; boundary=x", "nonsense", 400, "BAD_REQUEST"),
    ] {
        let answer = send(&acme, "", media_type, file).await;
        assert_eq!(answer.status, status, "{media_type} {file}: {:#}", answer.body);
        answer.problem(status, code);
    }
    for (contacts, fault) in [
        ("null", "Is required"),
        ("{}", "Must be a list"),
        ("\"Ada\"", "Must be a list"),
        ("7", "Must be a list"),
    ] {
        let answer = send(&acme, "", json, format!("{{\"contacts\":{contacts}}}")).await;
        answer.invalid(&json!({ "contacts": fault }));
    }
    let columns = csv(&acme, "", "name,shoe size,name\nAda,7,Ada\n").await.body;
    let known = "Must be one of name, email, phone, company, companyId, externalId, or left out by the mapping";
    assert_eq!(
        columns["details"],
        json!({"columns[shoe size]": known, "columns[name]": "Is there twice"})
    );
    assert_eq!(total(&acme).await, 0);
    assert_eq!(acme.get(super::IMPORTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn a_form_is_a_mapping_if_any_and_then_a_file() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = ("name=\"file\"; filename=\"a.csv\"", "Who\nAda");
    let mapping = "name=\"mapping\"";
    for (parts, detail) in [
        (vec![(mapping, "{\"Who\":\"age\"}"), file], "mapping[Who]"),
        (vec![(mapping, "{\"Whom\":\"name\",\"Who\":\"name\"}"), file], "mapping[Whom]"),
        (vec![(mapping, "[]"), file], "mapping"),
        (vec![(mapping, "{}")], "file"),
        (vec![("name=\"other\"", "x"), file], "other"),
        (vec![(mapping, "{}"), ("name=\"file\"; filename=\"a.json\"", "{}")], "mapping"),
    ] {
        let body = form(&acme, "", &parts).await.problem(400, "VALIDATION_ERROR");
        assert!(body["details"].get(detail).is_some(), "{parts:?}: {body:#}");
    }
    form(&acme, "", &[(mapping, "{\"Who\":\"name\"}"), file, (mapping, "{}")])
        .await
        .problem(400, "BAD_REQUEST");
    assert_eq!(total(&acme).await, 0);
}

#[tokio::test]
async fn parameters_are_checked_and_limits_are_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (query, field) in [
        ("?mode=merge", "mode"),
        ("?mode=upsert&matchBy=name", "matchBy"),
        ("?matchBy=email", "matchBy"),
        ("?async=yes", "async"),
        ("?atomic=1", "atomic"),
        ("?events=no", "events"),
        ("?dryRun=1", "dryRun"),
        ("?mode=skip&mode=skip", "mode"),
        ("?colour=red", "colour"),
    ] {
        let body = import(&acme, query, people(1)).await.problem(400, "VALIDATION_ERROR");
        assert!(body["details"].get(field).is_some(), "{query}: {body:#}");
    }
    let many = people(1001);
    import(&acme, "?async=false", many)
        .await
        .invalid(&json!({"rows": "Must be 1 to 1000 with async=false"}));
    let many = people(10_001);
    import(&acme, "?atomic=true", many.clone())
        .await
        .invalid(&json!({"rows": "Must be 1 to 10000 with atomic or dryRun"}));
    import(&acme, "?dryRun=true", many)
        .await
        .invalid(&json!({"rows": "Must be 1 to 10000 with atomic or dryRun"}));
    let long = json!([{"name": "x".repeat(70_000)}]);
    import(&acme, "", long).await.invalid(&json!({"contacts": "A row must be at most 64 KiB"}));
    assert_eq!(acme.get(super::IMPORTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn what_divides_a_file_is_found_behind_empty_lines_and_outside_quotes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let done = csv(&acme, "", "\nname;email\nAda;ada@example.com\n").await.ok();
    assert_eq!(counts(&done), [1, 0, 0, 0]);
    let mapping = r#"{"Name (last, first, title)":"name"}"#;
    let file = "\"Name (last, first, title)\";email;phone\nBob;bob@example.com;\n";
    assert_eq!(counts(&with_mapping(&acme, mapping, file).await.ok()), [1, 0, 0, 0]);
    let mapping = r#"{"a;b;c;d;e;f;g":null}"#;
    let file = "name\temail\t\"a;b;c;d;e;f;g\"\nEve\tnobody\tx\n";
    let done = with_mapping(&acme, mapping, file).await.ok();
    assert_eq!(counts(&done), [0, 0, 0, 1]);
    let text = acme.get(&format!("{}/errors.csv", super::at(&done))).await.body;
    let text = text.as_str().unwrap().replace("nobody", "eve@example.com");
    assert_eq!(counts(&with_mapping(&acme, mapping, &text).await.ok()), [1, 0, 0, 0]);
}
