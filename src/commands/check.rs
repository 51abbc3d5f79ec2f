//! `check`: a line for each dependency, what is wrong with it and which key to change.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use serde::Serialize;

use super::Exit;
use super::answer::tell;
use crate::cli::Format;
use crate::ports::Failure;

/// Longer than any driver takes to say itself what is wrong.
const PATIENCE: Duration = Duration::from_secs(15);

/// One question to one dependency.
pub struct Probe {
    /// What is asked about, such as `keycloak database`.
    pub name: String,
    /// The keys that decide the answer, such as `keycloak.host, keycloak.port`.
    pub keys: &'static str,
    pub ask: BoxFuture<'static, Result<(), Failure>>,
}

/// What the dependencies said.
#[derive(Debug, Serialize)]
pub struct Checked {
    probes: Vec<Probed>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, Serialize)]
struct Probed {
    name: String,
    ok: bool,
    milliseconds: u64,
    /// The keys that decide the answer.
    keys: &'static str,
    problem: Option<String>,
}

/// Asks all at once and tells in order: `ok`, or what is wrong.
///
/// [`Exit::Held`] when a person must mend something, even if another dependency does not answer.
///
/// # Errors
/// When `output` cannot be written.
pub async fn check(probes: Vec<Probe>, format: Format, output: &mut (dyn Write + Send)) -> std::io::Result<Exit> {
    let checked = ask(probes).await;
    tell(&checked, format, output)?;
    Ok(checked.exit)
}

async fn ask(probes: Vec<Probe>) -> Checked {
    let answers = join_all(probes.into_iter().map(|Probe { name, keys, ask }| async move {
        let asked = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, ask).await;
        let milliseconds = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (exit, problem) = match answer {
            Ok(Ok(())) => (Exit::Done, None),
            Ok(Err(failure)) => (Exit::from(&failure), Some(failure.story())),
            Err(_) => (Exit::Unreachable, Some(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        (Probed { name, ok: problem.is_none(), milliseconds, keys, problem }, exit)
    }))
    .await;
    let exit = answers.iter().fold(Exit::Done, |exit, (_, other)| worse(exit, *other));
    Checked { probes: answers.into_iter().map(|(probed, _)| probed).collect(), exit }
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.probes.iter().map(|probe| probe.name.len()).max().unwrap_or_default();
        for Probed { name, milliseconds, keys, problem, .. } in &self.probes {
            match problem {
                None => writeln!(formatter, "ok    {name:width$}  {milliseconds} ms")?,
                Some(problem) => writeln!(formatter, "WRONG {name:width$}  {}", with_keys(problem, keys))?,
            }
        }
        Ok(())
    }
}

/// The keys end the first line: what follows it is to be copied as it is.
fn with_keys(story: &str, keys: &str) -> String {
    match story.split_once('\n') {
        Some((told, lines)) => format!("{told} (see {keys})\n{lines}"),
        None => format!("{story}; see {keys}"),
    }
}

fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Unreachable | Exit::Left => 1,
        Exit::Usage | Exit::Held => 2,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Blame, Disposition};

    fn probe(name: &str, ask: impl Future<Output = Result<(), Failure>> + Send + 'static) -> Probe {
        Probe { name: name.to_owned(), keys: "some.key", ask: Box::pin(ask) }
    }

    fn unreachable() -> Failure {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        Failure::new(Disposition::Retry(Blame::Server), "unreachable").because(refused)
    }

    async fn told(probes: Vec<Probe>) -> (Exit, String) {
        let mut output = Vec::new();
        let exit = check(probes, Format::Text, &mut output).await.unwrap();
        (exit, String::from_utf8(output).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_dependency_has_its_line_and_the_worst_decides() {
        let good = || probe("kafka", async { Ok(()) });
        let down = || probe("cassandra", async { Err(unreachable()) });
        let wrong = || probe("keycloak database", async { Err(Failure::new(Disposition::Hold, "realm_missing")) });

        let (exit, text) = told(vec![good(), wrong(), down()]).await;
        assert_eq!(exit, Exit::Held);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ok    kafka              "), "{text}");
        assert_eq!(lines[1], "WRONG keycloak database  realm_missing; see some.key");
        assert_eq!(lines[2], "WRONG cassandra          unreachable: connection refused; see some.key");

        assert_eq!(told(vec![down(), good()]).await.0, Exit::Unreachable);
        assert_eq!(told(vec![good()]).await.0, Exit::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn programs_get_the_same_as_a_document() {
        let probes = vec![probe("kafka", async { Ok(()) }), probe("cassandra", async { Err(unreachable()) })];
        let mut output = Vec::new();
        assert_eq!(check(probes, Format::Json, &mut output).await.unwrap(), Exit::Unreachable);
        let told: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(told["probes"][0]["ok"], true, "{told}");
        assert_eq!(told["probes"][1]["problem"], "unreachable: connection refused", "{told}");
        assert_eq!(told["probes"][1]["keys"], "some.key", "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_to_copy_stand_alone() {
        let undecided = std::io::Error::other("decide:\n  [some.table]\n  key = 1");
        let held = async { Err(Failure::new(Disposition::Hold, "unknown_table").because(undecided)) };
        let (_, text) = told(vec![probe("schema", held)]).await;
        assert_eq!(text, "WRONG schema  unknown_table: decide: (see some.key)\n  [some.table]\n  key = 1\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_and_does_not_hold_up_the_others() {
        let silent = || probe("silent", std::future::pending());
        let begun = tokio::time::Instant::now();
        let (exit, text) = told(vec![silent(), silent(), probe("kafka", async { Ok(()) })]).await;
        assert_eq!((exit, begun.elapsed()), (Exit::Unreachable, PATIENCE));
        assert!(text.contains("WRONG silent  no answer within 15 s; see some.key"), "{text}");
        assert!(text.contains("ok    kafka "), "{text}");
    }
}
