//! Each way to say where a replay goes: what the plan promises is what the workers do, no more.

use std::path::Path;

use local_stack::topics::DELETE;
use serde_json::{Value, json};

use super::replay::{minutes_ago, publish_of, publish_on, replay, set, told_by, until_told_by, written};
use crate::scene::{PATIENCE, Scene};

/// Events of a partition that were published at one time.
const WAVE: usize = 4;
/// When, in minutes ago.
const AGES: [u64; 3] = [60, 40, 20];
const EACH: usize = WAVE * AGES.len();
const PARTITIONS: usize = 5;
/// What is published while no worker runs.
const UNDONE: usize = 3;

/// One selector on one partition of its own, of the same number.
struct Case {
    selector: Vec<String>,
    new: usize,
    /// The time of the first record that is done again.
    first: Option<i64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_selector_redoes_what_its_plan_says() {
    let scene = Scene::with(5, &["--per-id", "0"]).await;
    let ids = scene.deleted_people(PARTITIONS * EACH + UNDONE + PARTITIONS).await;
    let (done, rest) = ids.split_at(PARTITIONS * EACH);
    let (undone, late) = rest.split_at(UNDONE);
    let of: Vec<&[String]> = done.chunks(EACH).collect();
    let times = AGES.map(minutes_ago);
    let mut worker = scene.worker(&[]).await;
    for (number, ids) in (0..).zip(&of) {
        for (wave, time) in ids.chunks(WAVE).zip(times) {
            publish_of(&scene.topics, wave, number, time).await;
        }
    }
    until_told_by(&scene, None, done).await;
    scene.inputs_committed().await;
    worker.term().unwrap();
    worker.until_ended(PATIENCE).await.unwrap();
    publish_on(&scene.topics, undone, 4).await;

    let folder = tempfile::tempdir().unwrap();
    let cases = cases(&scene, folder.path(), times);
    let before = scene.topics.progress(&[DELETE]).await.unwrap();
    for (number, case) in cases.iter().enumerate() {
        is_planned(&scene, folder.path(), (number, case)).await;
    }
    assert_eq!(scene.topics.progress(&[DELETE]).await.unwrap(), before, "plans change nothing");
    for number in 0..PARTITIONS {
        is_applied(&scene, folder.path(), number).await;
    }

    let _worker = scene.worker(&[]).await;
    for (number, (case, ids)) in cases.iter().zip(&of).enumerate() {
        until_told_by(&scene, Some(format!("s{number}").as_str()), &ids[case.new.min(EACH)..]).await;
    }
    for (number, id) in (0..).zip(late.chunks(1)) {
        publish_on(&scene.topics, id, number).await;
    }
    let all = until_told_by(&scene, None, late).await;
    for (number, (case, ids)) in cases.iter().zip(&of).enumerate() {
        let replay = format!("s{number}");
        let again = &ids[case.new.min(EACH)..];
        assert_eq!(told_by(&all, Some(&replay)), set(again), "{replay}");
        let marked = all.iter().filter(|status| status.mid.ends_with(&format!("-{replay}")));
        assert_eq!(marked.count(), again.len(), "{replay}: each once");
    }
    assert!(all.iter().all(|status| !undone.contains(&status.user)), "they were skipped");
    scene.inputs_committed().await;
    a_time_bounds_what_is_read_beside_the_group(&scene, &of, times).await;
    scene.assert_nobody_failed();
}

fn cases(scene: &Scene, folder: &Path, times: [i64; 3]) -> [Case; PARTITIONS] {
    let csv = folder.join("offsets.csv");
    // As `kafka-consumer-groups --export` writes it; partitions that it does not name stay.
    std::fs::write(&csv, format!("{},3,10\n", scene.topics.name(DELETE))).unwrap();
    let case = |selector: &[&str], new, wave: Option<usize>| Case {
        selector: selector.iter().map(|&word| word.to_owned()).collect(),
        new,
        first: wave.map(|wave| times[wave]),
    };
    [
        case(&["--timestamp", &written(times[1])], WAVE, Some(1)),
        case(&["--last", "30m"], 2 * WAVE, Some(2)),
        case(&["--offset", "3"], 3, Some(0)),
        case(&["--file", &csv.display().to_string()], 10, Some(2)),
        case(&["--latest"], EACH + UNDONE, None),
    ]
}

fn file_of(folder: &Path, number: usize) -> String {
    folder.join(format!("plan-{number}.json")).display().to_string()
}

/// And written to its file.
async fn is_planned(scene: &Scene, folder: &Path, (number, case): (usize, &Case)) {
    let (partition, file, id) = (number.to_string(), file_of(folder, number), format!("s{number}"));
    let selector: Vec<&str> = case.selector.iter().map(String::as_str).collect();
    let scope = ["--topic", "delete", "--partitions", &partition, "--replay-id", &id];
    let asking = [&["plan"][..], &selector, &scope, &["--output", &file, "--format", "json"]].concat();
    let plan = replay(scene, &asking).await;
    assert_eq!(plan.code, 0, "{selector:?}: {}{}", plan.output, plan.errors);
    let told: Value = plan.output.parse().unwrap();
    assert_eq!(told["partitions"].as_array().unwrap().len(), 1, "{selector:?}: {told}");
    let planned = &told["partitions"][0];
    let seconds = |time: i64| format!("{}Z", written(time).split_once('.').unwrap().0);
    assert_eq!(
        (&planned["partition"], &planned["old"], &planned["new"], &planned["first"], &planned["clamped"]),
        (&json!(number), &json!(EACH), &json!(case.new), &json!(case.first.map(seconds)), &Value::Null),
        "{selector:?}: {told}"
    );
}

/// What nobody has done yet is skipped only by who says so.
async fn is_applied(scene: &Scene, folder: &Path, number: usize) {
    let file = file_of(folder, number);
    let skips = number + 1 == PARTITIONS;
    if skips {
        let refused = replay(scene, &["apply", &file]).await;
        assert_eq!(refused.code, 70, "{}{}", refused.output, refused.errors);
        assert!(refused.output.contains("3 offsets would be skipped"), "{}", refused.output);
    }
    let asking = if skips { vec!["apply", &file, "--allow-skips"] } else { vec!["apply", &file] };
    let applied = replay(scene, &asking).await;
    assert_eq!(applied.code, 0, "{}{}", applied.output, applied.errors);
}

/// From the second time on, before the third: the middle wave of every partition.
async fn a_time_bounds_what_is_read_beside_the_group(scene: &Scene, of: &[&[String]], times: [i64; 3]) {
    let before = scene.topics.progress(&[DELETE]).await.unwrap();
    let until = written(times[2]);
    let asking = ["side", "--last", "50m", "--until-timestamp", &until, "--topic", "delete", "--replay-id", "side"];
    let side = replay(scene, &[&asking[..], &["--format", "json"]].concat()).await;
    assert_eq!(side.code, 0, "{}{}", side.output, side.errors);
    let told: Value = side.output.parse().unwrap();
    assert_eq!((&told["settled"], &told["events"]["again"]), (&json!(true), &json!(PARTITIONS * WAVE)), "{told}");
    let middle: Vec<String> = of.iter().flat_map(|ids| &ids[WAVE..2 * WAVE]).cloned().collect();
    let all = until_told_by(scene, Some("side"), &middle).await;
    assert_eq!(told_by(&all, Some("side")), set(&middle));
    assert_eq!(scene.topics.progress(&[DELETE]).await.unwrap(), before);
}
