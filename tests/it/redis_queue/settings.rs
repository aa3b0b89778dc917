//! `QUEUE` and `REDIS_URL` of the worker.

use shared::settings::Settings;
use tests::kit::SECRET_KEY;
use worker::config::{Config, Queue};

fn read(own: &[(&str, &str)]) -> Result<Config, String> {
    let keys = format!("1:{SECRET_KEY}");
    let common =
        [("DATABASE_URL", "postgres://crm_worker@127.0.0.1/liaison"), ("SECRET_KEYS", &keys)];
    let settings = Settings::new(|name| {
        let mut set = own.iter().chain(&common);
        set.find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
    });
    Config::from_settings(settings).map_err(|faults| faults.to_string())
}

#[test]
fn deliveries_go_through_redis_only_when_that_is_asked_for_and_redis_is_named() {
    let url = ("REDIS_URL", "redis://127.0.0.1");
    assert!(matches!(read(&[]).unwrap().queue, Queue::Postgres));
    assert!(matches!(read(&[url]).unwrap().queue, Queue::Postgres));
    assert!(matches!(read(&[("QUEUE", "redis"), url]).unwrap().queue, Queue::Redis(_)));
    for (own, named) in [
        (vec![("QUEUE", "redis")], "REDIS_URL is not set"),
        (vec![("QUEUE", "rabbit"), url], "QUEUE is not valid: write postgres or redis"),
        (vec![("QUEUE", "redis"), ("REDIS_URL", "rediss://x")], "REDIS_URL is not valid"),
    ] {
        let faults = read(&own).unwrap_err();
        assert!(faults.contains(named), "{faults}");
    }
    let help = Config::help();
    assert!(help.contains("QUEUE") && help.contains("REDIS_URL"), "{help}");
}
