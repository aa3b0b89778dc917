//! Two tenants at once on a small pool, with callers that hang up at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, Tenant, TestApp};

const TASKS: usize = 16;
const REQUESTS: usize = 40;
const PATH: &str = "/api/v1/connection/contacts";

/// A tenant, what only its records hold, and one of its records.
#[derive(Clone)]
struct Side {
    tenant: Tenant,
    canary: &'static str,
    contact: String,
}

async fn side(app: &TestApp, name: &str, canary: &'static str) -> Side {
    let tenant = app.tenant(name).await;
    let contact = tenant.post(PATH, json!({"name": canary})).await.created();
    Side { tenant, canary, contact: format!("{PATH}/{}", contact["id"].as_str().unwrap()) }
}

impl Side {
    /// Any of a few requests.
    fn request(&self) -> reqwest::RequestBuilder {
        match rand::random_range(0..5) {
            0 => self.tenant.request(Method::GET, PATH),
            1 => self.tenant.request(Method::GET, &format!("{PATH}?q=canary")),
            2 => self.tenant.request(Method::POST, PATH).json(&json!({"name": self.canary})),
            3 => self.tenant.request(Method::PUT, &self.contact).json(&json!({
                "name": self.canary,
                "company": format!("{} {}", self.canary, rand::random::<u32>()),
            })),
            _ => self.tenant.request(Method::GET, &self.contact),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_holds_only_its_own_tenants_records_whoever_hangs_up_beside_it() {
    let app = TestApp::configured(|config| config.db.connections = 4).await;
    app.database.without_timeouts().await;
    let sides = Arc::new([
        side(&app, "Anna", "canary of Anna").await,
        side(&app, "Bert", "canary of Bert").await,
    ]);
    let (answered, hung_up) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (sides, answered, hung_up) = (sides.clone(), answered.clone(), hung_up.clone());
            tokio::spawn(async move {
                for _ in 0..REQUESTS {
                    let turn = rand::random_range(0..2);
                    let (own, other) = (&sides[turn], &sides[1 - turn]);
                    let patient = rand::random_bool(0.5);
                    let patience = Duration::from_millis(if patient {
                        60_000
                    } else {
                        rand::random_range(0..9)
                    });
                    // Dropping the request closes its connection, at whatever point it has reached.
                    let Ok(answer) =
                        tokio::time::timeout(patience, Answer::to(own.request())).await
                    else {
                        hung_up.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    let text = answer.body.to_string();
                    assert!(answer.status.is_success(), "{} {text}", answer.status);
                    assert!(text.contains(own.canary), "{text}");
                    assert!(!text.contains(other.canary), "{text}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }

    let (answered, hung_up) = (answered.load(Ordering::Relaxed), hung_up.load(Ordering::Relaxed));
    assert!(answered > 0 && hung_up > 0, "{answered} answered, {hung_up} hung up");
    for side in sides.iter() {
        let strangers: i64 =
            sqlx::query_scalar("select count(*) from contacts where tenant_id = $1 and name <> $2")
                .bind(side.tenant.id.0)
                .bind(side.canary)
                .fetch_one(app.database.admin())
                .await
                .unwrap();
        assert_eq!(strangers, 0, "records of another tenant arrived at {}", side.canary);
    }
}
