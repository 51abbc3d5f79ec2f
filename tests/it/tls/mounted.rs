//! Files as Kubernetes mounts a Secret: the names are links through `..data`, and that link changes in one step.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

pub struct Mounted {
    folder: TempDir,
    versions: Cell<u32>,
}

impl Mounted {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), versions: Cell::new(0) }
    }

    /// All files of the next version; what is not among them is gone.
    pub fn update(&self, files: &[(&str, &str)]) {
        let version = self.versions.get() + 1;
        self.versions.set(version);
        let folder = self.folder.path();
        let name = format!("..version-{version}");
        fs::create_dir(folder.join(&name)).unwrap();
        for (file, content) in files {
            fs::write(folder.join(&name).join(file), content).unwrap();
            let link = folder.join(file);
            if link.symlink_metadata().is_err() {
                symlink(PathBuf::from("..data").join(file), link).unwrap();
            }
        }
        symlink(&name, folder.join("..data-next")).unwrap();
        fs::rename(folder.join("..data-next"), folder.join("..data")).unwrap();
        let before = folder.join(format!("..version-{}", version - 1));
        if before.exists() {
            fs::remove_dir_all(before).unwrap();
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
