//! The program as a shell runs it: its output and its exit code.

use std::process::Command;

use local_stack::Stack;
use local_stack::worker::environment;

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
    command.env_clear().envs(variables.iter().cloned()).args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Ended {
        code: ended.status.code().unwrap(),
        output: String::from_utf8(ended.stdout).unwrap(),
        errors: String::from_utf8(ended.stderr).unwrap(),
    }
}
