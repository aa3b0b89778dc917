//! A hundred thousand rows, in memory that does not grow with them.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tests::kit::{CONTACTS, Program, Stage};

const ROWS: usize = 100_000;
/// Mebibytes that the api may grow by, and the worker. The api's allocator keeps what the reader's thread has freed for
/// a while: 40 to 76 were seen.
const ROOM: [u64; 2] = [112, 64];
const PATIENCE: Duration = Duration::from_mins(10);

/// A number of `/proc/…/status`, in MiB.
fn memory(program: &Program, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_are_imported_in_bounded_memory() {
    let stage = Stage::start(&[]).await;
    let before = [&stage.api, &stage.worker].map(|program| memory(program, "VmRSS"));
    // A form, because it has the most in its way.
    let mut file = String::from(
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nname,email,phone,company\n",
    );
    for n in 0..ROWS {
        let company = n % 1000;
        writeln!(file, "Person {n},person{n}@example.com,+1555{n:07},Company {company}").unwrap();
    }
    file += "\r\n--xx--\r\n";
    let started = Instant::now();
    let answer = stage
        .caller
        .request(Method::POST, &format!("{CONTACTS}/import?events=false"))
        .header("content-type", "multipart/form-data; boundary=xx")
        .body(file)
        .send()
        .await
        .unwrap();
    let (status, import): (_, Value) = (answer.status(), answer.json().await.unwrap());
    assert_eq!(status, 202, "{import:#}");
    let uploaded = started.elapsed();
    loop {
        let status: String = sqlx::query_scalar("select status from imports")
            .fetch_one(stage.admin())
            .await
            .unwrap();
        if status == "completed" {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{status}\n{}", stage.worker.last_lines());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let total: i64 =
        sqlx::query_scalar("select count(*) from contacts").fetch_one(stage.admin()).await.unwrap();
    assert_eq!(total, i64::try_from(ROWS).unwrap());
    let after = [&stage.api, &stage.worker].map(|program| memory(program, "VmHWM"));
    println!(
        "uploaded after {uploaded:?}, imported after {:?}, MiB {before:?} -> {after:?}",
        started.elapsed()
    );
    for ((before, after), room) in before.into_iter().zip(after).zip(ROOM) {
        assert!(after <= before + room, "{before} MiB became {after} MiB");
    }
}
