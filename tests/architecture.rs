//! The house rules that neither the compiler nor clippy knows. A failure names the file and the line.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "architecture/compose.rs"]
mod compose;
#[path = "architecture/manifest.rs"]
mod manifest;
#[path = "architecture/promises.rs"]
mod promises;
#[path = "architecture/rings.rs"]
mod rings;
#[path = "architecture/source.rs"]
mod source;

use source::{Source, all_sources, assert_none, is_word_in, sources};
use user_purge_sync::adapters::kafka::{Topic, Topics};
use user_purge_sync::domain::record::OutputTopic;
use user_purge_sync::settings::Settings;

const LONGEST_FILE: usize = 300;

#[test]
fn no_file_is_longer_than_a_stranger_holds_in_the_head() {
    let folders = ["src", "tests", "deploy/local/demo", "deploy/local/sync-api"];
    let long = folders.into_iter().flat_map(all_sources).filter(|source| source.lines.len() > LONGEST_FILE);
    assert_none(
        &format!("files of more than {LONGEST_FILE} lines"),
        long.map(|source| format!("{}:{}", source.path, source.lines.len())),
    );
}

/// By type: whatever can be published goes to an [`OutputTopic`], and none of them is the topic of deletions.
#[test]
fn nothing_of_ours_is_addressed_to_the_topic_of_deletions() {
    // A new variant has to be listed below to compile.
    let listed = |topic| match topic {
        OutputTopic::Status
        | OutputTopic::Failed
        | OutputTopic::Delay
        | OutputTopic::Request
        | OutputTopic::Control => topic,
    };
    let settings = Settings::load(None, std::iter::empty()).unwrap();
    let topics = Topics::try_new(&settings.env, &settings.topics).unwrap();
    let all =
        [OutputTopic::Status, OutputTopic::Failed, OutputTopic::Delay, OutputTopic::Request, OutputTopic::Control];
    for topic in all.map(listed) {
        assert_ne!(topics.name(topic), topics.name(Topic::Delete));
        assert_ne!(Topic::from(topic), Topic::Delete);
    }
}

/// By text: one file hands records to Kafka, and it takes the topic from the record.
#[test]
fn one_file_hands_records_to_kafka() {
    const WRITER: &str = "src/adapters/kafka/producer.rs";
    let writes = |source: &Source| -> Vec<String> {
        source.hits(|code| ["FutureRecord", "BaseRecord", "ThreadedProducer"].iter().any(|word| is_word_in(word, code)))
    };
    let elsewhere = sources("src").into_iter().filter(|source| source.path != WRITER);
    assert_none("records handed to Kafka elsewhere", elsewhere.flat_map(|source| writes(&source)));
    let writer = sources("src").into_iter().find(|source| source.path == WRITER).unwrap();
    let topics: Vec<_> = writer.code().filter(|(_, code)| code.trim_start().starts_with("topic: ")).collect();
    assert!(matches!(topics[..], [(_, code)] if code.contains("name(record.topic)")), "{WRITER}: {topics:?}");
    assert_none(
        "topics that are spelled out instead of taken from the configuration",
        sources("src").iter().flat_map(|source| source.hits(|code| code.contains("delete.user"))),
    );
}
