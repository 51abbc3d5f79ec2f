//! Writes `docs/faults.md` from what the cases of the fault suite found: `make faults`.

mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use local_stack::results;
use serde_json::Value;

/// All runs of one case together.
#[derive(Default)]
struct Found {
    promise: String,
    fault: String,
    oracle: String,
    rows: Vec<usize>,
    runs: u64,
    faults: u64,
    users: u64,
    statuses: u64,
    lost: u64,
    order: u64,
    alive_purged: u64,
    personal_told: u64,
    repeats: u64,
    bound: u64,
    recovery: Vec<u64>,
    worst: u64,
    peak_mib: u64,
    took_ms: u64,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).context("the root of the working tree")?;
    let file = results::file("faults")?;
    let text = std::fs::read_to_string(&file).with_context(|| format!("{}: `make faults`", file.display()))?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(!lines.is_empty(), "{} is empty", file.display());
    let planted = std::fs::read_to_string(root.join("docs/faults-planted.md")).unwrap_or_default();
    let page = page(&lines, &planted)?;
    std::fs::write(root.join("docs/faults.md"), page)?;
    Ok(())
}

fn page(lines: &[Value], planted: &str) -> anyhow::Result<String> {
    let mut cases: BTreeMap<String, Found> = BTreeMap::new();
    for line in lines {
        cases.entry(text(line, "case")).or_default().add(line);
    }
    let sum = |of: fn(&Found) -> u64| cases.values().map(of).sum::<u64>();
    let seeds: Vec<String> = lines
        .iter()
        .map(|line| line["seed"].to_string())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let form = text(&lines[0], "form");
    let mut page = String::from(HEAD);
    writeln!(
        page,
        "**{} faults over {} users and {} statuses: {} lost, {} order violations, {} live users purged, personal data in {} \
         records or logs**, {} repeats of {} allowed, in {} cases and {} minutes.\n",
        sum(|it| it.faults),
        sum(|it| it.users),
        sum(|it| it.statuses),
        sum(|it| it.lost),
        sum(|it| it.order),
        sum(|it| it.alive_purged),
        sum(|it| it.personal_told),
        sum(|it| it.repeats),
        sum(|it| it.bound),
        cases.len(),
        sum(|it| it.took_ms) / 60_000,
    )?;
    writeln!(
        page,
        "Commit {}, {}, {}; {form} form, seed {}.\n",
        commits(lines),
        machine()?,
        said("date", &["-u", "+%F"])?,
        seeds.join(", ")
    )?;
    page.push_str(AGAIN);
    page.push_str(TABLE);
    for (name, found) in &cases {
        found.write(name, &mut page)?;
    }
    page.push_str(COVERED);
    for (index, (fault, remark)) in rows::ROWS.iter().enumerate() {
        let named = cases.iter().filter(|(_, found)| found.rows.contains(&(index + 1)));
        let by: Vec<String> = named.map(|(name, _)| format!("`{name}`")).collect();
        let joined = [by.join(", "), (*remark).to_owned()];
        let told: Vec<&str> = joined.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let told = if told.is_empty() { "**not covered**".to_owned() } else { told.join("; ") };
        writeln!(page, "| {} | {fault} | {told} |", index + 1)?;
    }
    if !planted.is_empty() {
        write!(page, "\n{planted}")?;
    }
    Ok(page)
}

/// With how many runs each, where there are several.
fn commits(lines: &[Value]) -> String {
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines {
        *runs.entry(text(line, "commit")).or_default() += 1;
    }
    let told: Vec<String> = match runs.len() {
        1 => runs.into_keys().collect(),
        _ => runs.into_iter().map(|(commit, count)| format!("{commit} ({count} runs)")).collect(),
    };
    told.join(", ")
}

const HEAD: &str = "# What the fault suite found\n\n\
<!-- Written by `make faults`; the planted bugs stand in faults-planted.md. -->\n\n";

const AGAIN: &str = "To repeat it: `make faults`, or one case `FAULTS=whole FAULTS_SEED=1 STACK=faults STACK_PORT_OFFSET=3000 cargo test \
--test it -- --test-threads=1 NAME`. `make test` plays the short forms. The cases are in `tests/it/faults/`; every one of them has, \
beside its own oracle, those at the top of `storm.rs`: each user ends as the ledger says, no row of a deleted user is left, no row of a \
living one is touched, every document of a deleted user is the blanked one, no two calls for one user overlap in one worker, all \
offsets are committed, the budget is whole, and no status, failed record, follow-up, log or metric has anything of the users but their \
ids, or a password or token.\n\n\
Repeats are statuses told again under the same id, which readers drop; beside them the most that the case allows. Recovery is the \
time from a fault until work goes on, with what the fault itself takes; where that is not looked at, until all is done. Memory is the most that any worker of the case ever had, dev build.\n\n";

const TABLE: &str = "| case | fault | promise | oracle of its own | runs | faults | users | lost | repeats | order | alive purged | \
recovery: median, worst | memory |\n| --- | --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n";

const COVERED: &str = "\n## What is covered\n\nThe list of faults that such a worker should be shown to survive. Where a form is \
shorter or smaller than in the field, it is said.\n\n| | fault | covered by |\n| --: | --- | --- |\n";

impl Found {
    fn add(&mut self, line: &Value) {
        let number = |key: &str| line[key].as_u64().unwrap_or_default();
        (self.promise, self.fault, self.oracle) = (text(line, "promise"), text(line, "fault"), text(line, "oracle"));
        let rows = line["rows"].as_array().into_iter().flatten();
        self.rows = rows.filter_map(|row| usize::try_from(row.as_u64()?).ok()).collect();
        self.runs += 1;
        self.faults += number("faults");
        self.users += number("users");
        self.statuses += number("statuses");
        self.lost += number("lost");
        self.order += number("order");
        self.alive_purged += number("alive_purged");
        self.personal_told += number("personal_told");
        self.repeats += number("repeats");
        self.bound += number("bound");
        self.recovery.push(number("recovery_ms"));
        self.worst = self.worst.max(number("worst_recovery_ms")).max(number("recovery_ms"));
        self.peak_mib = self.peak_mib.max(number("peak_mib"));
        self.took_ms += number("took_ms");
    }

    fn write(&self, name: &str, page: &mut String) -> std::fmt::Result {
        let mut recovery = self.recovery.clone();
        recovery.sort_unstable();
        let median = recovery.get(recovery.len() / 2).copied().unwrap_or_default();
        let promise = if self.promise.contains(' ') { self.promise.clone() } else { format!("`{}`", self.promise) };
        let Self { fault, oracle, runs, faults, users, lost, repeats, bound, order, alive_purged, .. } = self;
        writeln!(
            page,
            "| `{name}` | {fault} | {promise} | {oracle} | {runs} | {faults} | {users} | {lost} | {repeats} ≤ {bound} | {order} | \
             {alive_purged} | {}, {} | {} MiB |",
            seconds(median),
            seconds(self.worst),
            self.peak_mib
        )
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
}

fn text(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or_default().to_owned()
}

/// Cores, memory, processor.
fn machine() -> anyhow::Result<String> {
    let read = |path: &str, key: &str| -> anyhow::Result<String> {
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find(|line| line.starts_with(key)).with_context(|| format!("{path} tells no {key}"))?;
        Ok(line.split_once(':').context("a colon")?.1.trim().to_owned())
    };
    let memory: u64 = read("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse()?;
    let processor = read("/proc/cpuinfo", "model name").unwrap_or_else(|_| "processor unknown".to_owned());
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{cores} cores ({processor}), {} GiB", memory.div_ceil(1024 * 1024)))
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program} cannot be run"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(rows: &[u8], repeats: u64) -> Value {
        json!({
            "case": "a_case", "promise": "settled_before_committed", "fault": "kill -9", "oracle": "none", "rows": rows,
            "form": "whole", "commit": "0b68052", "seed": 7, "faults": 600, "users": 20, "statuses": 30, "lost": 0, "order": 0, "alive_purged": 0,
            "personal_told": 0,
            "repeats": repeats, "bound": 10, "recovery_ms": 1_234, "worst_recovery_ms": 2_345, "took_ms": 60_000, "peak_mib": 50,
        })
    }

    #[test]
    fn runs_of_a_case_are_told_together_and_every_row_is_accounted_for() {
        let page = page(&[line(&[4], 1), line(&[4], 2)], "## Planted bugs\n").unwrap();
        assert!(page.contains("**1200 faults over 40 users"), "{page}");
        assert!(page.contains("Commit 0b68052, "), "{page}");
        assert!(page.contains("| 2 | 1200 | 40 | 0 | 3 ≤ 20 | 0 | 0 | 1.2 s, 2.3 s | 50 MiB |"), "{page}");
        assert!(page.contains("| 4 | SIGSTOP past the session, then SIGCONT | `a_case` |"), "{page}");
        assert!(page.contains("| 1 | kill -9 at random moments | **not covered** |"), "{page}");
        assert!(page.ends_with("\n## Planted bugs\n"), "{page}");
    }
}
