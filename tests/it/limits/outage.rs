//! Redis away, hanging, and back: callers are served and limited all the same (requirement R-14). The database away.

use std::time::{Duration, Instant};

use api::auth::api_key;
use api::config::Config;
use reqwest::Method;
use serde_json::Value;
use shared::db::DatabaseUrl;
use shared::settings::Value as _;
use tests::kit::{
    Answer, CONTACTS, Database, Nobody, PATIENCE, Program, TcpServer, TestApp, sample, until,
};
use tests::servers::Redis;

use super::table::{TABLE, table};
use super::{limited, limits};

#[tokio::test]
async fn without_the_database_a_good_key_does_not_use_up_the_limit_of_its_address() {
    let gone = format!("postgres://crm_app@{}/gone", Nobody::here().address());
    let limits = limited(&[("RATE_LIMIT_READ", "2/15m")]);
    let app = TestApp::configured(|config| {
        limits(config);
        config.db.url = DatabaseUrl::parse(&gone).unwrap();
    })
    .await;
    let key = api_key::generate();
    for _ in 0..3 {
        let request = app.request(Method::GET, CONTACTS).header("x-api-key", key.text.expose());
        let answer = Answer::to(request).await;
        assert_eq!(answer.header("retry-after"), "1");
        answer.problem(503, "SERVICE_UNAVAILABLE");
    }
}

/// Sharing the counts of strangers, who all come from this machine.
fn sharing(url: &str, read: &str) -> impl FnOnce(&mut Config) + use<> {
    limited(&[("RATE_LIMIT_READ", read), ("REDIS_URL", url)])
}

/// What a stranger has left.
async fn left(app: &TestApp) -> i64 {
    let answer = Answer::to(app.request(Method::GET, CONTACTS)).await;
    assert_eq!(answer.status, 401, "{:#}", answer.body);
    answer.header("x-ratelimit-remaining").parse().unwrap()
}

#[tokio::test]
async fn two_apis_count_together_through_redis_and_each_for_itself_without() {
    let redis = Redis::start().await.unwrap();
    let [a, b] = [
        TestApp::configured(sharing(&redis.url(), "10/15m")).await,
        TestApp::configured(sharing(&redis.url(), "10/15m")).await,
    ];
    assert_eq!([left(&a).await, left(&b).await, left(&a).await, left(&b).await], [9, 8, 7, 6]);
    let alone = TestApp::configured(limited(&[("RATE_LIMIT_READ", "10/15m")])).await;
    assert_eq!(left(&alone).await, 9);
}

#[tokio::test]
async fn a_redis_that_dies_is_missed_by_nobody_and_one_that_comes_back_is_used_again() {
    let mut redis = Redis::start().await.unwrap();
    let [a, b] = [
        TestApp::configured(sharing(&redis.url(), "1000/15m")).await,
        TestApp::configured(sharing(&redis.url(), "1000/15m")).await,
    ];
    assert_eq!([left(&a).await, left(&b).await], [999, 998]);

    redis.kill9().await.unwrap();
    assert_eq!([left(&a).await, left(&b).await], [999, 999]);
    assert_eq!([left(&a).await, left(&a).await], [998, 997]);

    redis.restart().await.unwrap();
    let shared = async || left(&a).await == left(&b).await + 1;
    until("the counts are shared again", shared).await;
}

#[tokio::test]
async fn without_redis_nothing_is_let_through_that_the_limit_would_refuse() {
    let nobody = Nobody::here();
    let url = format!("redis://{}/", nobody.address());
    let own = [("RATE_LIMIT_READ", "3/15m"), ("RATE_LIMIT_LOGIN", "3/15m"), ("REDIS_URL", &url)];
    let app = TestApp::serving(limited(&own), table).await;
    for (method, path) in [(Method::GET, "/broken"), (Method::POST, "/login")] {
        let mut statuses = Vec::new();
        for attempt in 0..6 {
            let request = app.request(method.clone(), &format!("{TABLE}{path}"));
            statuses.push(Answer::to(request.body(format!("{attempt}"))).await.status.as_u16());
        }
        let admitted = statuses.iter().take_while(|status| **status != 429).count();
        assert_eq!(admitted, 3, "{path}: {statuses:?}");
        assert!(statuses[3..].iter().all(|status| *status == 429), "{path}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_once() {
    let silent = TcpServer::silent().await;
    let url = format!("redis://{}/", silent.address());
    let own = [("RATE_LIMIT_READ", "1000/15m"), ("REDIS_URL", &*url)];
    let mut limits = limits(&own);
    limits.timeout = Duration::from_secs(5);
    let app = TestApp::configured(|config| config.limits = limits).await;
    let started = Instant::now();
    for expected in (900..1_000).rev() {
        assert_eq!(left(&app).await, expected);
    }
    // Waiting for each of them would take more than eight minutes.
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_outage_is_logged_once_and_seen_in_the_metrics() {
    let database = Database::migrated().await;
    let mut redis = Redis::start().await.unwrap();
    let own = [("RATE_LIMIT_READ", "5/24h"), ("REDIS_URL", &*redis.url())];
    let api = Program::api(&database.app_url(), &own).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async || Answer::to(http.get(format!("{}{CONTACTS}", api.url()))).await.status;

    ask().await;
    let least = |text: &str, series: &str, least: f64| sample(text, series) >= Some(least);
    api.wait_until("/metrics", |_, text| least(text, "rate_limit_store_seconds_count", 1.0)).await;
    redis.kill9().await.unwrap();
    for _ in 0..8 {
        ask().await;
    }
    assert_eq!(ask().await, 429);

    api.wait_until("/metrics", |_, text| {
        let decided = |decision| {
            format!("rate_limit_decisions_total{{policy=\"read\",decision=\"{decision}\"}}")
        };
        least(text, "rate_limit_store_errors_total", 2.0)
            && least(text, &decided("refused"), 1.0)
            && least(text, &decided("allowed"), 6.0)
    })
    .await;
    redis.restart().await.unwrap();
    let back = "Redis is back: rate limits are shared again";
    until(back, async || said(&api, back) > 0).await;
    assert_eq!(said(&api, "Redis is away: this api counts rate limits by itself"), 1);
}

/// How often the log says this.
fn said(api: &Program, message: &str) -> usize {
    let says = |line: &Value| line.to_string().contains(message);
    api.log_lines().iter().filter(|line| says(line)).count()
}
