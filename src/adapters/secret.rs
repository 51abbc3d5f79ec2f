//! Secrets that are read when they are needed: one that is rotated in its file holds from the next use on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// A secret of the configuration, or the file that holds it.
#[derive(Clone, Debug)]
pub enum Secret {
    Fixed(SecretString),
    File {
        /// Of the configuration, such as `keycloak.password_file`.
        key: &'static str,
        path: PathBuf,
    },
}

/// The file of a secret cannot be read; a person must mend that.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {} cannot be read: {problem}", path.display())]
pub struct SecretUnreadable {
    key: &'static str,
    path: PathBuf,
    /// Told in the same line, by whoever tells no causes.
    problem: io::Error,
}

impl Secret {
    /// The file wins: a configuration that has both is refused before.
    pub fn of(fixed: &SecretString, key: &'static str, file: Option<&Path>) -> Self {
        match file {
            Some(path) => Self::File { key, path: path.to_owned() },
            None => Self::Fixed(fixed.clone()),
        }
    }

    /// # Errors
    /// When there is a file and it cannot be read.
    pub fn read(&self) -> Result<SecretString, SecretUnreadable> {
        match self {
            Self::Fixed(secret) => Ok(secret.clone()),
            Self::File { key, path } => match in_file(path) {
                Ok(text) => Ok(text.into()),
                Err(problem) => Err(SecretUnreadable { key, path: path.clone(), problem }),
            },
        }
    }
}

/// A file's text without its line end: editors and `echo` leave one, and no secret has it.
///
/// # Errors
/// When it cannot be read, or is no text.
pub fn in_file(path: &Path) -> io::Result<String> {
    let mut text = fs::read_to_string(path)?;
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_file_is_read_at_each_use_and_one_line_end_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let secret = Secret::of(&"unused".into(), "some.password_file", Some(&path));
        for (text, expected) in [("one", "one"), ("two\n", "two"), ("three\r\n", "three"), (" four \n\n", " four \n")] {
            fs::write(&path, text).unwrap();
            assert_eq!(secret.read().unwrap().expose_secret(), expected);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_its_key() {
        let secret = Secret::of(&"hunter2".into(), "some.password_file", Some(Path::new("/no/such")));
        let error = secret.read().unwrap_err();
        assert!(error.to_string().starts_with("some.password_file: /no/such cannot be read: "), "{error}");
        assert_eq!(format!("{:#}", anyhow::Error::new(error)).matches("os error 2").count(), 1, "told once");
    }

    #[test]
    fn a_secret_that_is_printed_does_not_tell_itself() {
        assert!(!format!("{:?}", Secret::Fixed("hunter2".into())).contains("hunter2"));
    }
}
