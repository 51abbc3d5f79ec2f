//! The parameters of the two old batch jobs that only `submit` reads, and how their start scripts gave all of them.

use std::path::PathBuf;
use std::time::Duration;

use super::aliases::names_like;
use super::load::{Problem, SettingsError};
use super::rules::CallRate;

const PAUSE: [&str; 2] = ["sunbird_sync_sleep_time", "sunbird_user_sync_sleep_time"];
const ID_FILE: &str = "sunbird_sync_id_file";
const TABLE: &str = "sunbird_cassandra_table";
const OBJECT_TYPE: &str = "sunbird_sync_object_type";
/// Planning is what `submit` does anyway.
const DRY_RUN: &str = "dry_run";

/// How the parameters began that have become settings. Sunbird has more variables, which the jobs did not take.
const OURS: [&str; 3] = ["sunbird_cassandra_", "sunbird_sync_", "sunbird_user_sync_"];

/// What the environment says in the old jobs' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchJob {
    /// Of users: the block size in each pause.
    pub rate: Option<CallRate>,
    pub id_file: Option<PathBuf>,
    pub table: Option<String>,
    pub object_type: Option<String>,
    pub dry_run: bool,
    /// Anything of this is set: the old jobs took the whole table where no id file was.
    pub is_meant: bool,
}

impl BatchJob {
    /// Empty values are placeholders. `block_size` is that of the Sync API.
    ///
    /// # Errors
    /// When the pause is no number of milliseconds, or its two names disagree.
    pub fn read(env: &[(String, String)], block_size: i64) -> Result<Self, SettingsError> {
        let value = |name: &str| {
            let (_, value) = env.iter().rev().find(|(candidate, _)| candidate == name)?;
            Some(value.trim()).filter(|value| !value.is_empty())
        };
        let pauses = PAUSE.map(|name| value(name).map(|text| (name, text)));
        if let [Some((_, one)), Some((_, other))] = pauses
            && one != other
        {
            return Err(
                Problem::new("--rate", format!("{} and {} disagree; keep one of them", PAUSE[0], PAUSE[1])).into()
            );
        }
        let pause = pauses.into_iter().flatten().next();
        let rate = pause.map(|(name, text)| rate(name, text, block_size)).transpose()?.flatten();
        let dry_run = value(DRY_RUN).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (id_file, table, object_type) = (value(ID_FILE), value(TABLE), value(OBJECT_TYPE));
        Ok(Self {
            is_meant: pause.is_some() || id_file.is_some() || table.is_some() || object_type.is_some(),
            rate,
            id_file: id_file.map(PathBuf::from),
            table: table.map(str::to_owned),
            object_type: object_type.map(str::to_owned),
            dry_run,
        })
    }
}

/// `None` without a pause: as fast as Kafka takes them.
fn rate(name: &str, pause: &str, block_size: i64) -> Result<Option<CallRate>, SettingsError> {
    let pause: i64 = pause.parse().map_err(|_| Problem::new(name, "must be a number of milliseconds"))?;
    let pause = u64::try_from(pause).ok().filter(|pause| *pause > 0).map(Duration::from_millis);
    Ok(pause.map(|per| CallRate { calls: u32::try_from(block_size).unwrap_or(u32::MAX), per }))
}

/// The environment with what `--context_param NAME=VALUE` says in place of the variables of the same meaning.
///
/// # Errors
/// Names each that the old jobs did not have, or that is no `NAME=VALUE`.
pub fn with_context_params(
    env: impl Iterator<Item = (String, String)>,
    params: &[String],
) -> Result<Vec<(String, String)>, SettingsError> {
    let mut env: Vec<_> = env.collect();
    let mut problems = Vec::new();
    for param in params {
        let Some((name, value)) = param.split_once('=') else {
            problems.push(Problem::new("--context_param", format!("{} is no NAME=VALUE", shown(param))));
            continue;
        };
        let name = name.trim();
        let replaced: Vec<&str> = if PAUSE.contains(&name) {
            PAUSE.to_vec()
        } else if [ID_FILE, TABLE, OBJECT_TYPE, DRY_RUN].contains(&name) {
            vec![name]
        } else if let Some(names) = names_like(name).filter(|_| OURS.iter().any(|own| name.starts_with(own))) {
            names.to_vec()
        } else {
            problems.push(Problem::new("--context_param", format!("{} is no parameter of the old jobs", shown(name))));
            continue;
        };
        env.retain(|(candidate, _)| !replaced.contains(&candidate.as_str()));
        env.push((name.to_owned(), value.to_owned()));
    }
    if problems.is_empty() { Ok(env) } else { Err(SettingsError { problems }) }
}

/// A name, never what may be a secret beside it.
fn shown(param: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name: String = param.chars().take_while(|letter| is_name(*letter)).take(64).collect();
    if name.is_empty() { "a parameter without a name".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn params(params: &[&str]) -> Vec<String> {
        params.iter().map(|&param| param.to_owned()).collect()
    }

    #[test]
    fn the_batch_jobs_pause_becomes_a_rate() {
        let rate = |pause: &str| BatchJob::read(&env(&[(PAUSE[1], pause)]), 100).map(|job| job.rate);
        assert_eq!(rate("10000").unwrap(), Some(CallRate { calls: 100, per: Duration::from_secs(10) }));
        assert_eq!([rate("0").unwrap(), rate("-1").unwrap(), rate(" ").unwrap()], [None; 3]);
        let error = rate("soon").unwrap_err().to_string();
        assert!(error.contains("sunbird_user_sync_sleep_time: must be a number of milliseconds"), "{error}");
        let both = BatchJob::read(&env(&[(PAUSE[0], "1"), (PAUSE[1], "2")]), 100).unwrap_err().to_string();
        assert!(both.contains("disagree"), "{both}");
    }

    #[test]
    fn nothing_of_the_old_jobs_means_nothing() {
        let set = env(&[("sunbird_cassandra_host", "c1"), (ID_FILE, "")]);
        assert_eq!(BatchJob::read(&set, 100).unwrap(), BatchJob::default());
        let job = BatchJob::read(&env(&[(TABLE, "organisation"), (OBJECT_TYPE, "organisation")]), 100).unwrap();
        assert_eq!((job.table.as_deref(), job.object_type.as_deref()), (Some("organisation"), Some("organisation")));
        assert!(job.is_meant);
    }

    #[test]
    fn a_context_param_stands_in_place_of_every_variable_of_its_meaning() {
        let before = env(&[("sunbird_cassandra_host", "a"), (PAUSE[0], "1"), ("OTHER", "x")]);
        let given =
            params(&["sunbird_cassandra_server=b", "sunbird_user_sync_sleep_time=10000", "sunbird_sync_api_key=a=b"]);
        let wanted = env(&[
            ("OTHER", "x"),
            ("sunbird_cassandra_server", "b"),
            ("sunbird_user_sync_sleep_time", "10000"),
            ("sunbird_sync_api_key", "a=b"),
        ]);
        assert_eq!(with_context_params(before.into_iter(), &given).unwrap(), wanted);
    }

    #[test]
    fn unknown_params_are_named_and_what_stands_in_them_is_not() {
        let given = params(&[
            "sunbird_sync_speed=7",
            "hunter2=",
            "sunbird_sso_realm=k",
            "=hunter3",
            "sunbird_sync_block_size=1",
        ]);
        let error = with_context_params(std::iter::empty(), &given).unwrap_err().to_string();
        for named in ["sunbird_sync_speed is no parameter", "sunbird_sso_realm is no", "a parameter without a name"] {
            assert!(error.contains(named), "{error}");
        }
        assert!(!error.contains("block_size") && !error.contains("hunter3"), "{error}");
        assert!(with_context_params(std::iter::empty(), &params(&["dry_run"])).is_err());
    }
}
