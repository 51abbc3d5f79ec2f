//! How a command answers: text for people, one JSON document for programs. The exit code is the same in both.
//!
//! An answer is one value with two faces, so that neither says what the other does not: `Display` ends its own lines,
//! `Serialize` names its fields in camelCase, as the records do.

use std::fmt::Display;
use std::io::{self, Write};

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

#[cfg(test)]
mod tests {
    use std::fmt;

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
