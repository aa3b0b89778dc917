//! Secrets in files, as systemd, Compose and Kubernetes hand them over.

use std::fs;

use tests::kit::{Database, PEPPER, SECRET_KEY, TOKEN_KEY};
use tests::servers::Folder;

use crate::boot::process::Environment;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_with_every_secret_in_a_file() {
    let database = Database::migrated().await;
    let folder = Folder::claim("secrets", None).unwrap();
    let mut environment = Environment::empty();
    for (name, text) in [
        ("DATABASE_URL_FILE", database.app_url()),
        ("API_KEY_PEPPER_FILE", PEPPER.to_owned()),
        ("JWT_KEYS_FILE", format!("1:{TOKEN_KEY}")),
        ("SECRET_KEYS_FILE", format!("1:{SECRET_KEY}")),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, format!("{text}\n")).unwrap();
        environment = environment.set(name, path.to_str().unwrap());
    }
    let said = environment.run(&["doctor"]).await.success();
    assert!(said.contains("ok    rights"), "{said}");

    fs::remove_file(folder.path().join("JWT_KEYS_FILE")).unwrap();
    let refused = environment.run(&["doctor"]).await;
    refused.refused(&["JWT_KEYS_FILE is not valid: the file that it names cannot be read"]);
}
