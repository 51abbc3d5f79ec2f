//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

use crate::Settings;

/// Kong's "small" request size, which Sunbird sets for this path.
const GATEWAY_BODY: usize = 1024 * 1024;

/// Lines of at most 100 columns, so that they are not broken where someone copies them.
const HOW_TO_TURN: &str = r#"Told over HTTP what to do (README.md has every key):
  TURN=http://127.0.0.1:29000/behaviour
  curl -X PUT $TURN -d '{"mode": "fail", "status": 429, "retryAfter": 2, "calls": 3}'
  curl -X PUT $TURN -d '{"mode": "indexDown"}'
  curl -X PUT $TURN -d '{"perId": "50ms", "falseIds": ["one"], "poisonIds": ["other"]}'
  curl -X DELETE $TURN

Modes of a call, each for the next N with "calls": N:
  fail, hang, close, applyThenLoseAnswer, timeout
Modes of the service, until told otherwise:
  normal, cassandraDown, cassandraFrozen, indexDown, indexFrozen

Looked at over HTTP:
  GET /documents          counts; ?ids=true adds the ids in the order of their last write, ?ids=2 those of a status
  GET /documents/{id}     one document
  GET /calls              totals, overlaps of users, the last calls (?last=N)
  DELETE /documents       forgets the documents
  DELETE /calls           forgets the calls"#;

/// Stands in for Sunbird's Sync API on a development machine.
///
/// Answers POST /v1/data/sync byte for byte like the recorded service, and reads the users from Cassandra. Starts without
/// Cassandra too, and then behaves like the service whose Cassandra is down: 200 SUCCESS, every id false.
#[derive(Debug, Parser)]
#[command(version, after_long_help = HOW_TO_TURN)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one. The first line on stdout says which.
    #[arg(long, default_value = "127.0.0.1:29000")]
    pub listen: SocketAddr,
    /// Cassandra's address.
    #[arg(long, default_value = "127.0.0.1:29042")]
    pub cassandra: String,
    /// Keyspace of the `user` table.
    #[arg(long, default_value = "sunbird", value_parser = keyspace)]
    pub keyspace: String,
    /// Time for an id whose row exists, with its unit; 0 for as fast as it can.
    #[arg(long, default_value = "8ms", value_parser = humantime::parse_duration)]
    pub per_id: Duration,
    /// Time for an id without a row; a quarter of --per-id unless given, as with the real service.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub per_missing_id: Option<Duration>,
    /// After this long a call is answered 500, while its work goes on.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub server_limit: Duration,
    /// Blocks worked on at once; more wait in line.
    #[arg(long, default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000))]
    pub blocks: usize,
    /// Puts a gateway in front: `Authorization: Bearer KEY` is then required, and /api/data/v1/index/sync answers too.
    #[arg(long, value_name = "KEY", hide_env_values = true, env = "SYNC_API_STAND_IN_KEY")]
    pub api_key: Option<String>,
    /// Largest body in bytes, 413 above it; with --api-key 1 MiB unless given.
    #[arg(long, value_name = "BYTES")]
    pub max_body: Option<usize>,
}

impl Options {
    pub fn settings(&self) -> Settings {
        Settings {
            per_id: self.per_id,
            per_missing_id: self.per_missing_id.unwrap_or(self.per_id / 4),
            server_limit: self.server_limit,
            blocks: self.blocks,
            api_key: self.api_key.clone(),
            max_body: self.max_body.or(self.api_key.is_some().then_some(GATEWAY_BODY)),
        }
    }
}

/// The name goes into statements as it is.
fn keyspace(name: &str) -> Result<String, String> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !name.is_empty() && name.chars().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err("letters, digits and _ only".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
    }

    #[test]
    fn no_time_per_id_means_none_for_missing_ids_either() {
        let options = Options::parse_from(["sync-api-stand-in", "--per-id", "0"]);
        assert!(options.settings().per_missing_id.is_zero());
    }

    #[test]
    fn a_gateway_limits_the_body() {
        let options = Options::parse_from(["sync-api-stand-in", "--api-key", "k"]);
        assert_eq!(options.settings().max_body, Some(GATEWAY_BODY));
        assert_eq!(Options::parse_from(["sync-api-stand-in"]).settings().max_body, None);
    }

    #[test]
    fn a_keyspace_that_is_no_name_is_refused() {
        assert!(Options::try_parse_from(["sync-api-stand-in", "--keyspace", "a; drop"]).is_err());
    }
}
