//! Secrets stay where they belong.

use tests::kit::{PEPPER, SECRET_KEY, TOKEN_KEY, TestApp};

#[tokio::test]
async fn the_database_cannot_tell_a_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let secret = acme.key().rsplit('_').next().unwrap().to_owned();

    let rows: Vec<String> =
        sqlx::query_scalar("select to_jsonb(k)::text || encode(hash, 'escape') from api_keys k")
            .fetch_all(app.database.admin())
            .await
            .unwrap();

    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains("First key"));
    assert!(!rows[0].contains(&secret), "{}", rows[0]);
    let length: i32 = sqlx::query_scalar("select length(hash) from api_keys")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(length, 32);
}

#[tokio::test]
async fn the_settings_print_no_secret() {
    let app = TestApp::start().await;
    let url = app.database.app_url();
    let password = url.split([':', '@']).nth(2).unwrap();
    let printed = format!("{:?}", app.api.config);
    for secret in [password, PEPPER, TOKEN_KEY, SECRET_KEY] {
        assert!(secret.len() > 10 && !printed.contains(secret), "{printed}");
    }
    // Nor as numbers: the keys begin with the bytes 0, 32 and 64, and count up.
    for bytes in ["0, 1, 2", "32, 33, 34", "64, 65, 66"] {
        assert!(!printed.contains(bytes), "{printed}");
    }
    assert!(printed.contains("liaison-test"), "{printed}");
}
