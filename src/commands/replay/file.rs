//! Offsets from a file: of a plan, or of the csv that `kafka-consumer-groups --export` writes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::super::BadInput;
use super::plan::Plan;

/// By the topic's name in Kafka and the partition's number.
pub type Offsets = BTreeMap<(String, i32), i64>;

#[derive(Deserialize)]
struct Row(String, i32, i64);

/// # Errors
/// When it cannot be read; names the line.
pub fn read(path: &Path) -> anyhow::Result<Offsets> {
    if path.extension().is_some_and(|extension| extension == "json") {
        let plan = Plan::read(path)?;
        return Ok(plan.partitions.into_iter().map(|it| ((it.topic, it.partition), it.new)).collect());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_path(path)?;
    let mut offsets = Offsets::new();
    for row in reader.deserialize() {
        let Row(topic, partition, offset) =
            row.with_context(|| BadInput(format!("{}: a line is topic,partition,offset", path.display())))?;
        if offset < 0 || offsets.insert((topic.clone(), partition), offset).is_some() {
            let problem = format!("{}: {topic},{partition} is there twice or below 0", path.display());
            return Err(BadInput(problem).into());
        }
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_of_kafkas_own_tool_is_read_and_what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets.csv");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let offsets = read_text("dev.delete.user,0,12\ndev.delete.user, 1, 0\n").unwrap();
        assert_eq!(offsets[&("dev.delete.user".to_owned(), 0)], 12);
        assert_eq!(offsets.len(), 2);
        for bad in ["dev.delete.user,0\n", "t,0,1\nt,0,2\n", "t,0,-1\n", "topic,partition,offset\n"] {
            assert!(read_text(bad).unwrap_err().is::<BadInput>(), "{bad}");
        }
    }
}
