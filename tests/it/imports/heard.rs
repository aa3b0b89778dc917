//! Who hears of an import.

use std::collections::BTreeSet;

use tests::kit::{CONTACTS, TestApp};

use super::{at, import, people};

#[tokio::test]
async fn a_subscriber_receives_each_contact_that_is_imported_once_however_it_is_imported() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.*"]).await;
    import(&acme, "", people(20)).await.ok();
    let begun = import(&acme, "?async=true", people(30)).await.body["data"].clone();
    app.worker().import().await.unwrap();
    assert_eq!(app.worker().drain().await.unwrap(), 50);

    let calls = subscriber.receiver.calls();
    let mut told = BTreeSet::new();
    for call in &calls {
        call.assert_signed(&subscriber.secret);
        let sent = call.json();
        assert_eq!(sent["event"], "contact.created");
        told.insert(sent["data"]["id"].as_str().unwrap().to_owned());
    }
    let there: BTreeSet<String> = acme
        .get(&format!("{CONTACTS}?pageSize=100"))
        .await
        .page()
        .items
        .iter()
        .map(|contact| contact["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((calls.len(), told.len()), (50, 50));
    assert_eq!(told, there);

    acme.post(&format!("{}/undo", at(&begun)), serde_json::json!({})).await.ok();
    app.worker().drain().await.unwrap();
    let gone = subscriber.receiver.calls().split_off(50);
    assert_eq!(gone.len(), 30);
    assert!(gone.iter().all(|call| call.json()["event"] == "contact.deleted"));
}
