//! A full disk under the tables: changes are refused honestly, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::kit::{CONTACTS, Stage, skip};
use tests::servers::{Account, Folder, Options, Postgres};

/// Enough for an empty database and some more.
const SIZE: &str = "32m";

/// A small disk of its own, gone when dropped.
struct SmallDisk {
    path: PathBuf,
    _folder: Folder,
}

impl SmallDisk {
    /// Mounts it; `None` where that is not allowed.
    fn mount() -> Option<Self> {
        let account = Account::unprivileged().unwrap()?;
        let folder = Folder::claim("disk", Some(&account)).unwrap();
        let path = folder.path().with_extension("mount");
        let disk = Self { path, _folder: folder };
        disk.unmount(); // what a killed run left behind
        fs::create_dir_all(&disk.path).unwrap();
        let options = format!("size={SIZE},mode=700,uid={},gid={}", account.uid, account.gid);
        let mounted = quiet("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &disk.path);
        mounted.then_some(disk)
    }

    /// Fills it to the last byte; the file that does it.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut filler = File::create(&path).unwrap();
        for size in [1 << 20, 4096] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }

    fn unmount(&self) {
        quiet("umount", &["-l"], &self.path);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.unmount();
        let _ = fs::remove_dir(&self.path);
    }
}

fn quiet(program: &str, arguments: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_with_503_and_loses_none_that_it_took() {
    let Some(disk) = SmallDisk::mount() else {
        return skip("disk", "the test of a full disk", "only root may mount a small one");
    };
    let postgres = Postgres::start(Options::DURABLE).await.unwrap();
    let mut session = PgConnection::connect(&postgres.admin_url()).await.unwrap();
    let sql = format!("create tablespace small location '{}'", disk.path.display());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    let stage = Stage::on(postgres, "small", &[]).await;

    let filler = disk.fill();
    let contact = json!({"name": "Ada", "company": "x".repeat(100)});
    let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);
    while refused < 10 {
        let (status, body) = stage.caller.post(CONTACTS, &contact).await.unwrap();
        if status == 201 {
            acknowledged.insert(body["data"]["id"].as_str().unwrap().to_owned());
            assert!(acknowledged.len() < 10_000, "the disk is never full");
        } else {
            assert_eq!(
                (status, &body["code"]),
                (503, &json!("SERVICE_UNAVAILABLE")),
                "{body}\n{}",
                stage.api.last_lines()
            );
            refused += 1;
        }
    }

    fs::remove_file(filler).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let (status, body) = stage.caller.post(CONTACTS, &contact).await.unwrap();
        if status == 201 {
            acknowledged.insert(body["data"]["id"].as_str().unwrap().to_owned());
            break;
        }
        assert!(Instant::now() < deadline, "still {status}: {body}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    loop {
        let calls = stage.receiver.calls();
        let received: BTreeSet<_> = calls
            .iter()
            .map(|call| call.json()["data"]["id"].as_str().unwrap().to_owned())
            .collect();
        if received.is_superset(&acknowledged) {
            break;
        }
        let missing = acknowledged.difference(&received).count();
        assert!(
            Instant::now() < deadline,
            "{missing} never arrived\n{}",
            stage.worker.last_lines()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
