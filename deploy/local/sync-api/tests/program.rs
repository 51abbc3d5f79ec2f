//! The program itself: its first line, its life without Cassandra, its refusals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

/// A running program, ended with the test.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    /// Port 1 is nobody's: there is no Cassandra.
    fn start() -> Self {
        let mut child = command(&["--listen", "127.0.0.1:0", "--cassandra", "127.0.0.1:1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a first line");
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("first line: {line}"));
        Self { address: address.trim_end().to_owned(), child }
    }

    /// What comes back until the connection is closed, which the request asks for.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).expect("it listens when its line is out");
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        connection.write_all(request.as_bytes()).expect("it takes a request");
        let mut answer = String::new();
        // A connection that is closed without an answer may end as a reset: what was read until then is the answer.
        connection.read_to_string(&mut answer).unwrap_or(0);
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().expect("it can be ended");
        self.child.wait().expect("it ends");
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-api-stand-in"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program runs")
}

#[test]
fn without_cassandra_it_starts_and_every_id_is_false() {
    let program = Program::start();
    let body = r#"{"request":{"objectType":"user","operationType":"sync","objectIds":["a"]}}"#;
    let answer = program.ask("POST", "/v1/data/sync", body);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nReferrer-Policy: "), "{answer}");
    assert!(answer.ends_with(r#""result":{"a":false,"response":"SUCCESS","esSyncResponse":{}}}"#), "{answer}");
}

#[test]
fn told_to_close_it_closes_the_socket_without_a_byte() {
    let program = Program::start();
    assert!(program.ask("PUT", "/behaviour", r#"{"mode": "close"}"#).contains("200 OK"));
    assert_eq!(program.ask("POST", "/v1/data/sync", "{}"), "");
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let program = Program::start();
    let output = run(&["--listen", &program.address]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains(&format!("cannot listen on {}", program.address)), "{error}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn its_help_names_every_mode() {
    let output = run(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let modes = ["fail", "hang", "close", "applyThenLoseAnswer", "timeout", "normal"];
    let outages = ["cassandraDown", "cassandraFrozen", "indexDown", "indexFrozen"];
    for mode in modes.into_iter().chain(outages) {
        assert!(help.split([' ', ',', '\n']).any(|word| word == mode), "{mode} is not in {help}");
    }
}
