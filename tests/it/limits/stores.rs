//! The counter, in this process and in Redis: the same promises for both, and the same decisions.

use api::limit::{Class, Limits, Memory, Rate, Redis, Window};
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::settings::Value as _;
use shared::{Clock, RedisUrl};
use tests::kit::START;
use tests::servers;

use super::{PATIENT, limits};

const RATE: Rate = Rate { quota: 10, window: 60 };
/// The first moment of a window.
const EDGE: i64 = 1_767_323_040_000;

enum Store {
    Memory(Memory),
    Redis { store: Redis, _server: servers::Redis },
}

impl Store {
    async fn take(&self, key: &str, rate: Rate, now_ms: i64) -> (bool, Window) {
        match self {
            Self::Memory(memory) => memory.take(key, rate, now_ms),
            Self::Redis { store, .. } => {
                store.take(key, rate, now_ms).await.expect("Redis answers")
            }
        }
    }

    /// How many of so many requests are admitted.
    async fn admitted(&self, key: &str, requests: u32, now_ms: i64) -> u32 {
        let mut admitted = 0;
        for _ in 0..requests {
            admitted += u32::from(self.take(key, RATE, now_ms).await.0);
        }
        admitted
    }
}

async fn both() -> [Store; 2] {
    let server = servers::Redis::start().await.unwrap();
    let url = RedisUrl::parse(&server.url()).unwrap();
    let store = Redis::new(&url, PATIENT).unwrap();
    [Store::Memory(Memory::default()), Store::Redis { store, _server: server }]
}

#[tokio::test]
async fn the_quota_is_admitted_and_no_more() {
    for store in both().await {
        assert_eq!(store.admitted("a", 25, EDGE).await, 10);
        assert_eq!(store.admitted("a", 5, EDGE + 59_999).await, 0);
    }
}

#[tokio::test]
async fn keys_do_not_count_for_each_other() {
    for store in both().await {
        assert_eq!(store.admitted("a", 25, EDGE).await, 10);
        assert_eq!(store.admitted("b", 3, EDGE).await, 3);
        assert_eq!(store.admitted("b", 25, EDGE).await, 7);
    }
}

#[tokio::test]
async fn the_edge_of_a_window_lets_no_second_burst_through() {
    for store in both().await {
        assert_eq!(store.admitted("a", 25, EDGE + 59_999).await, 10);
        assert_eq!(store.admitted("a", 25, EDGE + 60_000).await, 0);
        assert_eq!(store.admitted("a", 25, EDGE + 90_000).await, 5);
        assert_eq!(store.admitted("a", 25, EDGE + 240_000).await, 10);
    }
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_counted() {
    for store in both().await {
        assert_eq!(store.admitted("a", 1_000, EDGE).await, 10);
        let (_, window) = store.take("a", RATE, EDGE).await;
        assert_eq!(window, Window { number: EDGE / 60_000, previous: 0, current: 10 });
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_gains_nothing() {
    for store in both().await {
        assert_eq!(store.admitted("a", 25, EDGE).await, 10);
        assert_eq!(store.admitted("a", 25, EDGE - 30_000).await, 0);
    }
}

/// Three keys, and clocks that run, leap and lag a little.
#[tokio::test]
async fn both_stores_decide_alike() {
    let [memory, redis] = both().await;
    let (mut admitted, mut refused) = (0, 0);
    for seed in 0..40 {
        let mut rng = StdRng::seed_from_u64(seed);
        // Redis forgets a key after two windows of the real time: none so short that a slow machine gets there.
        let window = *pick(&mut rng, &[60, 61, 900, 86_400]);
        let rate = Rate { quota: rng.random_range(1..=20), window };
        let window_ms = i64::from(rate.window) * 1_000;
        let mut now = EDGE + rng.random_range(0..window_ms);
        for step in 0..200 {
            now += match rng.random_range(0..40) {
                0 => rng.random_range(0..3 * window_ms),
                1 => -rng.random_range(0..window_ms / 2),
                _ => rng.random_range(0..=window_ms / i64::from(6 * rate.quota)),
            };
            let key = format!("{seed}-{}", pick(&mut rng, &["a", "b", "c"]));
            let expected = memory.take(&key, rate, now).await;
            assert_eq!(redis.take(&key, rate, now).await, expected, "seed {seed}, step {step}");
            *if expected.0 { &mut admitted } else { &mut refused } += 1;
        }
    }
    assert!(admitted > 1_000 && refused > 1_000, "it tries too little: {admitted}, {refused}");
}

#[tokio::test]
async fn all_that_come_at_once_get_the_quota_together() {
    let server = servers::Redis::start().await.unwrap();
    let variables = [("RATE_LIMIT_LOGIN", "10/15m"), ("REDIS_URL", &*server.url())];
    let apis = [(); 2].map(|()| Limits::new(limits(&variables), clock()));
    let callers = (0..40).map(|caller| {
        let api = apis[caller % 2].clone();
        tokio::spawn(async move { api.take(Class::Login, "ada@example.com").await })
    });
    let mut admitted = 0;
    for caller in callers.collect::<Vec<_>>() {
        admitted += u32::from(caller.await.unwrap().is_ok());
    }
    assert_eq!(admitted, 10);
}

#[tokio::test]
async fn another_window_is_counted_apart_and_another_quota_is_not() {
    let clock = clock();
    let count = async |limits: &Limits| {
        let mut admitted = 0;
        while limits.take(Class::Login, "ada").await.is_ok() {
            admitted += 1;
        }
        admitted
    };
    let server = servers::Redis::start().await.unwrap();
    let url = server.url();
    for (limit, admitted) in [("5/15m", 5), ("8/15m", 3), ("5/15m", 0), ("2/1m", 2)] {
        let variables = [("RATE_LIMIT_LOGIN", limit), ("REDIS_URL", &*url)];
        assert_eq!(
            count(&Limits::new(limits(&variables), clock.clone())).await,
            admitted,
            "{limit}"
        );
    }
    clock.advance(TimeDelta::hours(1));
    let variables = [("RATE_LIMIT_LOGIN", "5/15m"), ("REDIS_URL", &*url)];
    assert_eq!(count(&Limits::new(limits(&variables), clock)).await, 5);
}

fn clock() -> Clock {
    Clock::manual(START.parse().unwrap())
}

fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}
