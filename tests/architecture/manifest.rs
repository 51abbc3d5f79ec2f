//! Dependencies: each is there for a reason that is written down.

use super::source::{assert_none, read};

#[test]
fn every_dependency_has_its_reason() {
    let manifests = ["Cargo.toml", "deploy/local/demo/Cargo.toml", "deploy/local/sync-api/Cargo.toml"];
    assert_none("dependencies without a reason", manifests.into_iter().flat_map(without_reason));
}

fn without_reason(manifest: &str) -> Vec<String> {
    let text = read(manifest);
    let (mut listed, mut above, mut missing) = (false, false, Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(section) = line.strip_prefix('[') {
            // The reasons for a workspace's versions stand where the dependencies are used.
            listed = section.ends_with("dependencies]") && section != "workspace.dependencies]";
        } else if listed && line.contains('=') && !line.contains(" # ") && !line.starts_with('#') && !above {
            missing.push(format!("{manifest}:{number}: {line}"));
        }
        above = line.starts_with("# ");
    }
    missing
}
