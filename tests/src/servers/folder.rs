//! Where a server keeps its files.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use super::{Account, Process, Result};

/// More servers of one kind than any run starts side by side.
const SLOTS: usize = 64;

/// An empty folder that belongs to this process until it ends, however it ends. Dropping it removes it; the log beside
/// it stays.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Claims a folder for a server of this kind, owned by `account`. Whatever a killed owner left in it is ended and
    /// removed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn claim(kind: &str, account: Option<&Account>) -> Result<Self> {
        let base = base(account)?;
        for slot in 0..SLOTS {
            let path = base.join(format!("{kind}-{slot}"));
            let lock = File::create(path.with_extension("lock"))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => continue,
                Err(fs::TryLockError::Error(error)) => return Err(error.into()),
            }
            let folder = Self { path, _lock: lock };
            folder.clear()?;
            DirBuilder::new().mode(0o700).create(&folder.path)?;
            if let Some(account) = account {
                chown(&folder.path, Some(account.uid), Some(account.gid))?;
            }
            return Ok(folder);
        }
        Err(format!("all {SLOTS} folders of {kind} in {} are in use", base.display()).into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The server's log, beside the folder.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.with_extension("log")
    }

    /// Where the id of the server's process is noted.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }

    fn clear(&self) -> io::Result<()> {
        Process::end_leftover(&self.pid_file());
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                // The children of a killed server may still be writing their last file.
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(50)),
                Ok(()) => return Ok(()),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that could not be removed is cleared by the next one who claims it.
        let _ = self.clear();
    }
}

/// The folder that cargo builds into, seen from a program that it built.
///
/// # Errors
/// When this program does not lie in such a folder.
pub fn target_dir() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map(Path::to_owned).ok_or_else(|| {
        format!("{} does not lie in a target folder of cargo", program.display()).into()
    })
}

/// The folder of all servers: in the target folder if the account can get there, else among the temporary files.
fn base(account: Option<&Account>) -> Result<PathBuf> {
    let target = target_dir()?;
    let base = target.join("servers");
    make_dir(&base)?;
    if account.is_none_or(|account| account.reaches(&base)) {
        return Ok(base);
    }
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    let base = env::temp_dir().join(format!("liaison-{:016x}", hasher.finish()));
    make_dir(&base)?;
    let owner = fs::symlink_metadata(&base)?;
    if !owner.is_dir() || owner.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{} belongs to somebody else", base.display()).into());
    }
    Ok(base)
}

/// Makes a folder that others may pass through but not list.
fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_never_share_a_folder_and_leave_none() {
        let first = Folder::claim("folder-test", None).unwrap();
        let second = Folder::claim("folder-test", None).unwrap();
        assert_ne!(first.path(), second.path());
        let path = first.path().to_owned();
        assert!(path.is_dir());
        drop(first);
        assert!(!path.exists());
    }
}
