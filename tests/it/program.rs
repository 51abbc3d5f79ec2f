//! The program as a shell runs it: its output and its exit code.

use std::time::Duration;

use local_stack::Stack;
use local_stack::worker::environment;
use tokio::process::Command;
use tokio::time::timeout;

/// Longer than any command takes: one that does not end fails its test, not the whole run.
const PATIENCE: Duration = Duration::from_mins(5);

pub struct Ended {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

/// Where the program finds the stack, under an environment name.
pub fn variables(env: &str) -> Vec<(String, String)> {
    environment(Stack::shared(), env)
}

/// Runs it to its end.
pub async fn run(variables: &[(String, String)], arguments: &[&str]) -> Ended {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("user-purge-sync"));
    command.env_clear().envs(variables.iter().cloned()).args(arguments).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
    Ended {
        code: ended.status.code().unwrap(),
        output: String::from_utf8(ended.stdout).unwrap(),
        errors: String::from_utf8(ended.stderr).unwrap(),
    }
}
