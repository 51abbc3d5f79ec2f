//! The ids of who is left, in files that `submit --file` takes.

use std::fmt;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::AuditArgs;
use crate::commands::BadInput;
use crate::commands::id_file::IdWriter;
use crate::domain::ids::UserId;
use crate::ports::Purged;

/// Where ids go, if anywhere.
#[derive(Serialize)]
pub(super) struct Lists {
    #[serde(rename = "output")]
    left: Option<List>,
    #[serde(rename = "protectedOutput")]
    protected: Option<List>,
    /// Ids that no file of ids can hold.
    unlisted: u64,
}

#[derive(Serialize)]
struct List {
    path: PathBuf,
    #[serde(skip)]
    writer: IdWriter,
    users: u64,
}

impl Lists {
    pub(super) fn create(args: &AuditArgs) -> anyhow::Result<Self> {
        let create = |path: &Option<PathBuf>, beside: Option<&str>| {
            let Some(path) = path else { return Ok(None) };
            let writer = IdWriter::create(path, beside).with_context(|| BadInput(path.display().to_string()))?;
            Ok::<_, anyhow::Error>(Some(List { path: path.clone(), writer, users: 0 }))
        };
        let (left, protected) = (create(&args.output, None)?, create(&args.protected, Some("protection"))?);
        Ok(Self { left, protected, unlisted: 0 })
    }

    pub(super) fn note(&mut self, user: &UserId, purged: &Purged) -> io::Result<()> {
        let (list, beside) = match purged {
            Purged::Clean { rows, .. } if rows.is_empty() => return Ok(()),
            Purged::Clean { .. } => (&mut self.left, None),
            Purged::Protected(protection) => (&mut self.protected, Some(protection.name())),
            Purged::CredentialsNotMoved => return Ok(()),
        };
        let Some(list) = list else { return Ok(()) };
        if list.writer.write(user, beside)? {
            list.users += 1;
        } else {
            self.unlisted += 1;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        for list in [&mut self.left, &mut self.protected].into_iter().flatten() {
            list.writer.flush()?;
        }
        Ok(())
    }
}

impl fmt::Display for Lists {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.left {
            None => write!(formatter, "--output FILE writes the ids of those still known")?,
            Some(List { path, users: 0, .. }) => write!(formatter, "{} holds nobody", path.display())?,
            Some(List { path, users, .. }) => write!(
                formatter,
                "{path} holds {users} ids: user-purge-sync submit delete-user --file {path}",
                path = path.display()
            )?,
        }
        if let Some(List { path, users, .. }) = &self.protected {
            write!(formatter, "\n{} holds {users} protected ids", path.display())?;
        }
        if self.unlisted > 0 {
            write!(formatter, "\n{} ids hold a space or a semicolon and are in no file", self.unlisted)?;
        }
        Ok(())
    }
}
