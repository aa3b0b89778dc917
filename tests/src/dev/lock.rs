//! One dev runner for each checkout.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process;

use crate::servers::Result;

/// Held by the running runner; the system lets go of it when the process ends, however it ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock and notes our process id in the file.
    ///
    /// # Errors
    /// When another process holds it; the message names it.
    pub fn take(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                return Err(format!(
                    "it already runs here (pid {owner}); its addresses are in target/dev.json"
                )
                .into());
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        write!(file, "{}", process::id())?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers;

    #[test]
    fn the_second_runner_learns_who_holds_the_lock() {
        let folder = servers::Folder::claim("lock-test", None).unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path).unwrap();
        let refusal = Lock::take(&path).err().unwrap().to_string();
        assert!(refusal.contains(&format!("(pid {})", process::id())), "{refusal}");
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }
}
