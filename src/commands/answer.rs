//! How a command answers: text for people, one JSON document for programs. The exit code is the same in both.
//!
//! An answer is one value with two faces, so that neither says what the other does not: `Display` ends its own lines,
//! `Serialize` names its fields in camelCase, as the records do.

use std::fmt::{self, Display};
use std::io::{self, Write, stderr};

use serde::Serialize;

use crate::cli::Format;

/// Prints the answer in the form that was asked for.
///
/// # Errors
/// When `output` cannot be written.
pub fn tell(answer: &(impl Display + Serialize), format: Format, output: &mut (impl Write + ?Sized)) -> io::Result<()> {
    match format {
        Format::Text => write!(output, "{answer}"),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output, answer)?;
            writeln!(output)
        }
    }
}

/// Where a command answers, and in which form.
pub(super) struct Teller<'a> {
    pub format: Format,
    pub output: &'a mut (dyn Write + Send),
}

impl Teller<'_> {
    pub(super) fn tell(&mut self, answer: &(impl Display + Serialize)) -> io::Result<()> {
        tell(answer, self.format, self.output)
    }

    /// What is told before the end: a document has standard output for itself.
    pub(super) fn meanwhile(&mut self, told: impl Display) -> io::Result<()> {
        match self.format {
            Format::Text => write!(self.output, "{told}"),
            Format::Json => write!(stderr(), "{told}"),
        }
    }
}

/// Why nothing came of it.
#[derive(Serialize)]
pub(super) struct Problem {
    /// What did not happen, for people: a program knows what it has asked for.
    #[serde(skip)]
    said: &'static str,
    problem: String,
}

impl Problem {
    pub(super) fn new(said: &'static str, problem: impl Into<String>) -> Self {
        Self { said, problem: problem.into() }
    }
}

impl Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: {}", self.said, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        users_left: u64,
    }

    impl Display for Found {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            writeln!(formatter, "{} users are left", self.users_left)
        }
    }

    #[test]
    fn people_get_lines_and_programs_one_document() {
        let told = |format| {
            let mut output = Vec::new();
            tell(&Found { users_left: 3 }, format, &mut output).unwrap();
            String::from_utf8(output).unwrap()
        };
        assert_eq!(told(Format::Text), "3 users are left\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told(Format::Json)).unwrap()["usersLeft"], 3);
    }
}
