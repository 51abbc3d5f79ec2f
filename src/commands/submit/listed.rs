//! Users that somebody named: on the command line, or in a file of any size.
//!
//! A file is read twice, first to know that every line of it can be meant, then to publish. What is no file of the disk (standard
//! input, a pipe) is kept in a temporary one meanwhile. Ids are not held, only 16 bytes of each, to know repeats.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _, copy};
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::commands::BadInput;
use crate::commands::id_file::{IdReader, Lines, of_arguments};
use crate::domain::ids::UserId;

/// Of these a plan can tell more.
const HEAD: usize = 10_000;

pub(super) struct Listed {
    pub users: u64,
    /// The first ones.
    pub head: Vec<UserId>,
    source: Source,
}

enum Source {
    Typed(std::vec::IntoIter<UserId>),
    File(Box<Rest>),
}

/// What of a file is still to be published.
struct Rest {
    reader: IdReader<BufReader<File>>,
    /// Of the ids that were not given out yet.
    prints: HashSet<Fingerprint>,
    /// Repeats that must still come, or the file is not what it was.
    repeats: u64,
}

/// Of an id. Two of fifty million ids share one with a chance of 1 in 10^23.
type Fingerprint = [u8; 16];

fn fingerprint(id: &UserId) -> Fingerprint {
    let mut print = Fingerprint::default();
    print.copy_from_slice(&Sha256::digest(id.as_str())[..16]);
    print
}

/// What a list turned out to hold besides users.
pub(super) struct Found {
    pub lines: Lines,
    pub repeats: u64,
}

impl Listed {
    pub(super) fn typed(ids: &[String]) -> (Self, Found) {
        let list = of_arguments(ids);
        let head = list.ids.iter().take(HEAD).cloned().collect();
        let listed = Self { users: list.ids.len() as u64, head, source: Source::Typed(list.ids.into_iter()) };
        (listed, Found { lines: list.lines, repeats: list.repeats })
    }

    /// The first reading. `-` is `input`.
    pub(super) fn open(path: &Path, input: &mut dyn BufRead) -> anyhow::Result<(Self, Found)> {
        let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let mut read = || -> io::Result<(Self, Found)> {
            let file = if path == Path::new("-") { kept(input)? } else { on_disk(path)? };
            first_reading(file)
        };
        read().context(BadInput(name))
    }

    /// The next users, at most so many; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or is another than at the first reading.
    pub(super) fn take(&mut self, users: usize) -> anyhow::Result<Vec<UserId>> {
        match &mut self.source {
            Source::Typed(ids) => Ok(ids.by_ref().take(users).collect()),
            Source::File(rest) => rest.take(users),
        }
    }
}

impl Rest {
    fn take(&mut self, users: usize) -> anyhow::Result<Vec<UserId>> {
        let mut taken = Vec::new();
        while taken.len() < users {
            let Some(id) = self.reader.next()? else {
                let is_same = self.prints.is_empty() && self.repeats == 0 && self.reader.lines.invalid == 0;
                return if is_same { Ok(taken) } else { Err(changed()) };
            };
            if self.prints.remove(&fingerprint(&id)) {
                taken.push(id);
            } else {
                self.repeats = self.repeats.checked_sub(1).ok_or_else(changed)?;
            }
        }
        Ok(taken)
    }
}

fn changed() -> anyhow::Error {
    BadInput(
        "the file was changed while it was read; submit it again: users that were published are harmless".to_owned(),
    )
    .into()
}

fn first_reading(mut file: File) -> io::Result<(Listed, Found)> {
    let mut reader = IdReader::of(BufReader::new(file.try_clone()?));
    let (mut prints, mut head, mut repeats) = (HashSet::new(), Vec::new(), 0);
    while let Some(id) = reader.next()? {
        if !prints.insert(fingerprint(&id)) {
            repeats += 1;
        } else if head.len() < HEAD {
            head.push(id);
        }
    }
    let found = Found { lines: reader.lines, repeats };
    file.rewind()?;
    let users = prints.len() as u64;
    let reader = IdReader::of(BufReader::new(file));
    let source = Source::File(Box::new(Rest { reader, prints, repeats }));
    Ok((Listed { users, head, source }, found))
}

fn on_disk(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let kind = file.metadata()?;
    // A directory says at its reading what it is.
    if kind.is_file() || kind.is_dir() { Ok(file) } else { kept(&mut BufReader::new(file)) }
}

/// In a file that nobody sees, and that is gone with the process.
fn kept(input: &mut dyn BufRead) -> io::Result<File> {
    let mut file = tempfile::tempfile().map_err(nowhere_to_keep)?;
    copy(input, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// A container whose root is read-only has no such folder.
fn nowhere_to_keep(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let told =
        format!("it is read twice, and cannot be kept in {} ({error}); TMPDIR names another folder", folder.display());
    io::Error::new(error.kind(), told)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(listed: &mut Listed, at_once: usize) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        loop {
            let some = listed.take(at_once)?;
            if some.is_empty() {
                return Ok(all);
            }
            assert!(some.len() <= at_once);
            all.extend(some.iter().map(ToString::to_string));
        }
    }

    #[test]
    fn a_file_gives_each_user_once_at_the_second_reading() {
        let mut text = &b"userId\nb\na\n\nb\nc\na\n"[..];
        let (mut listed, found) = Listed::open(Path::new("-"), &mut text).unwrap();
        assert_eq!((listed.users, found.repeats, found.lines.blank, found.lines.header), (3, 2, 1, true));
        assert_eq!(all(&mut listed, 2).unwrap(), ["b", "a", "c"]);
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_told() {
        for later in ["a\nb\n", "a\nx\nb\n", "a\nb\nc\nd\n", "a\nb\nc\na\n", "a\nb\nc\nd e\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), "a\nb\nc\n").unwrap();
            let (mut listed, _) = Listed::open(file.path(), &mut io::empty()).unwrap();
            std::fs::write(file.path(), later).unwrap();
            let error = all(&mut listed, 10).unwrap_err().to_string();
            assert!(error.contains("was changed"), "{later:?}: {error}");
        }
    }

    #[test]
    fn a_pipe_is_read_twice_too() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"a\nb\na\n").unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let (mut listed, found) = Listed::open(Path::new(&path), &mut io::empty()).unwrap();
        assert_eq!((found.repeats, all(&mut listed, 1).unwrap()), (1, vec!["a".to_owned(), "b".to_owned()]));
    }
}
