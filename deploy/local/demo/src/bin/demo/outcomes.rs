//! What the worker status of our users, and the bar that shows how far it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use local_stack::Status;

use crate::row;
use crate::screen;

/// Between two lines where there is no terminal to draw on.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Collects statuses until every awaited user has a final one.
pub struct Outcomes {
    missing: HashSet<String>,
    /// Of each user the first final one: those after it answer repeated events.
    first: HashMap<String, Status>,
    again: BTreeMap<String, usize>,
    deferred: BTreeMap<String, HashSet<String>>,
    bar: Bar,
}

impl Outcomes {
    pub fn awaiting(users: impl IntoIterator<Item = String>) -> Self {
        let missing: HashSet<String> = users.into_iter().collect();
        let bar = Bar::new(missing.len());
        Self { missing, first: HashMap::new(), again: BTreeMap::new(), deferred: BTreeMap::new(), bar }
    }

    pub fn take(&mut self, status: Status) {
        if status.status == "DEFERRED" {
            self.deferred.entry(status.reason).or_default().insert(status.user);
        } else if status.is_final && self.missing.remove(&status.user) {
            self.first.insert(status.user.clone(), status);
        } else if status.is_final && self.first.contains_key(&status.user) {
            *self.again.entry(format!("{} {}", status.status, status.reason)).or_default() += 1;
        }
        let waiting = self.deferred.values().flatten().filter(|user| self.missing.contains(*user)).count();
        self.bar.show(self.first.len(), waiting);
    }

    /// How many of these have no final outcome yet.
    pub fn missing_of(&self, users: &[String]) -> usize {
        users.iter().filter(|user| self.missing.contains(*user)).count()
    }

    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Whether all of these wait for another look.
    pub fn has_deferred(&self, users: &[String]) -> bool {
        users.iter().all(|user| self.deferred.values().any(|deferred| deferred.contains(user)))
    }

    pub fn failed(&self) -> usize {
        self.first.values().filter(|status| status.status == "FAILED").count()
    }

    pub fn finish(&self) {
        self.bar.finish();
    }

    /// Users by how they ended, each kind with what that means.
    pub fn show(&self) {
        let mut kinds: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for status in self.first.values() {
            *kinds.entry((&status.action, &status.status, &status.reason)).or_default() += 1;
        }
        let mut rows = vec![row!["asked for", "outcome", "reason", "users", "which means"]];
        for ((action, status, reason), users) in kinds {
            rows.push(row![action, status, reason, screen::count(users), meaning(status, reason)]);
        }
        screen::table(&rows);
        for (reason, users) in &self.deferred {
            screen::line(format!(
                "{} users were DEFERRED {reason} first, looked at again from the delay topic",
                screen::count(users.len())
            ));
        }
        for (outcome, count) in &self.again {
            screen::line(format!(
                "{} repeated events answered {outcome}: doing it again is harmless",
                screen::count(*count)
            ));
        }
    }
}

fn meaning(status: &str, reason: &str) -> &'static str {
    match (status, reason) {
        ("SUCCESS", "purged") => "indexed again, and every row in Keycloak that had to go is gone",
        ("SUCCESS", "already_clean") => "indexed again; Keycloak knew nothing of them",
        ("SUCCESS", "synced") => "indexed again",
        ("SKIPPED", "not_deleted") => "Cassandra says that they live, at every look: nothing was touched",
        ("SKIPPED", "credentials_not_moved") => "indexed again; the local password is the only one, so it stays",
        ("FAILED", "not_found") => "no row in Cassandra: is it the right keyspace? A person should look",
        ("FAILED", "protected") => "indexed again; administrators in Keycloak, so a person must decide",
        _ => "see the record's stages on the status topic",
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Bar {
    drawn: Option<ProgressBar>,
    total: usize,
    begin: Instant,
    next_line: std::cell::Cell<Instant>,
}

impl Bar {
    fn new(total: usize) -> Self {
        let begin = Instant::now();
        let drawn = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("   {elapsed_precise} [{bar:40}] {pos}/{len} users  {msg}")
                .expect("the template is constant, and one that indicatif knows")
                .progress_chars("=> ");
            ProgressBar::new(total as u64).with_style(style)
        });
        Self { drawn, total, begin, next_line: std::cell::Cell::new(begin + LINE_EVERY) }
    }

    fn show(&self, done: usize, waiting: usize) {
        let message =
            if waiting == 0 { String::new() } else { format!("{waiting} were told to wait for a second look") };
        if let Some(bar) = &self.drawn {
            bar.set_message(message);
            bar.set_position(done as u64);
        } else if Instant::now() >= self.next_line.get() || done == self.total {
            self.next_line.set(Instant::now() + LINE_EVERY);
            screen::line(format!(
                "{done} of {} users after {} s  {message}",
                self.total,
                self.begin.elapsed().as_secs()
            ));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.drawn {
            bar.finish();
        }
    }
}
