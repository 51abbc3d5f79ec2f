//! Where a user is, in one sentence: what the systems say, weighed against what was asked for and told.

use super::outcome::Status;

/// What a system says; `Away` when it was asked and did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said<T> {
    Away,
    Fact(T),
}

impl<T: Copy> Said<T> {
    pub fn fact(self) -> Option<T> {
        match self {
            Self::Away => None,
            Self::Fact(fact) => Some(fact),
        }
    }
}

/// What Cassandra says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    Deleted,
    /// Its status, which may be null.
    Live(Option<i32>),
    Missing,
}

/// What Keycloak still holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    Nothing,
    Rows(u64),
    /// A purge would keep the user; by what.
    Protected(&'static str),
}

/// What the index shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// No endpoint is configured.
    NotAsked,
    Nobody,
    Deleted,
    Live,
}

/// The last status that counts: a later final one wins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Last {
    pub status: Status,
    pub reason: String,
    pub at: String,
}

/// All that is known of a user. Times are for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whereabouts {
    pub row: Said<Row>,
    pub kept: Said<Kept>,
    pub shown: Said<Shown>,
    /// Whether the topics could be read.
    pub topics: Said<()>,
    pub last: Option<Last>,
    /// When something was asked for that nothing is told of yet.
    pub unanswered: Option<String>,
    /// When the deletion was first asked for, as far as the topics were read.
    pub deleted: Option<String>,
    /// When rows were last purged, or nothing found.
    pub purged: Option<String>,
    /// A person has closed the last failure.
    pub is_parked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conclusion {
    Fine,
    /// Something is left, or failed, or is under way.
    Left,
    Unknown,
}

impl Whereabouts {
    /// One sentence for whoever answers an auditor.
    pub fn conclude(&self) -> (Conclusion, String) {
        let left = |text: String| (Conclusion::Left, text);
        if let (Some(row), Some(kept)) = (self.row.fact(), self.kept.fact())
            && let Some(known) = self.remains(row, kept)
        {
            return left(known);
        }
        if let Some(last) = self.failure() {
            return left(format!("{} {} on {}: see `redrive show`", last.status.name(), last.reason, last.at));
        }
        if let Some(under_way) = self.under_way() {
            return left(under_way);
        }
        let (Some(row), Some(kept), Some(shown), Some(())) =
            (self.row.fact(), self.kept.fact(), self.shown.fact(), self.topics.fact())
        else {
            return (Conclusion::Unknown, "not known: not everybody answers".to_owned());
        };
        match (row, kept, shown) {
            (Row::Deleted, _, Shown::Live) => {
                left("deleted, but the search index still shows the user as live: submit delete-user".to_owned())
            }
            (Row::Deleted, _, _) => (Conclusion::Fine, self.is_gone()),
            (Row::Missing, _, Shown::Deleted | Shown::Live) => {
                left("has no row in Cassandra, yet the search index knows the user".to_owned())
            }
            (Row::Missing, _, _) => (Conclusion::Fine, "nobody knows this user".to_owned()),
            (Row::Live(status), kept, _) => (Conclusion::Fine, is_live(status, kept)),
        }
    }

    /// What Keycloak should not hold any more.
    fn remains(&self, row: Row, kept: Kept) -> Option<String> {
        let of = match row {
            Row::Deleted => "deleted",
            Row::Missing => "has no row in Cassandra",
            Row::Live(_) => return None,
        };
        let holds = match kept {
            Kept::Nothing => return None,
            Kept::Protected(why) => format!("{of}, but kept in Keycloak until a person decides: {why}"),
            Kept::Rows(rows) => format!("{of}, but Keycloak still holds {rows} rows"),
        };
        let then = match (self.failure(), self.under_way()) {
            (Some(last), _) => format!("{} {} on {}: see `redrive show`", last.status.name(), last.reason, last.at),
            (None, Some(under_way)) => under_way,
            (None, None) => "and nothing is under way: submit delete-user".to_owned(),
        };
        Some(format!("{holds}; {then}"))
    }

    fn failure(&self) -> Option<&Last> {
        let has_failed = |last: &&Last| matches!(last.status, Status::Partial | Status::Failed) && !self.is_parked;
        self.last.as_ref().filter(has_failed).filter(|_| self.unanswered.is_none())
    }

    fn under_way(&self) -> Option<String> {
        if let Some(asked) = &self.unanswered {
            return Some(format!("waiting for the workers: asked for on {asked}, nothing is told yet"));
        }
        let deferred = |last: &&Last| last.status == Status::Deferred;
        let Last { reason, at, .. } = self.last.as_ref().filter(deferred)?;
        Some(format!("waiting since {at}: {reason}, a worker looks again"))
    }

    fn is_gone(&self) -> String {
        let deleted = self.deleted.as_ref().map_or("deleted".to_owned(), |at| format!("deleted on {at}"));
        match &self.purged {
            Some(at) => format!("{deleted}, purged on {at}, nothing left"),
            None => {
                format!("{deleted}, nothing left; no purge is told in the time looked at (--since goes further back)")
            }
        }
    }
}

fn is_live(status: Option<i32>, kept: Kept) -> String {
    let status = status.map_or("null".to_owned(), |status| status.to_string());
    let known = if kept == Kept::Nothing { "Keycloak holds nothing" } else { "Keycloak holds rows, as it should" };
    format!("not deleted: status {status} in Cassandra; {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Whereabouts {
        let last = Last { status: Status::Success, reason: "purged".to_owned(), at: "T2".to_owned() };
        Whereabouts {
            row: Said::Fact(Row::Deleted),
            kept: Said::Fact(Kept::Nothing),
            shown: Said::Fact(Shown::NotAsked),
            topics: Said::Fact(()),
            last: Some(last),
            unanswered: None,
            deleted: Some("T1".to_owned()),
            purged: Some("T2".to_owned()),
            is_parked: false,
        }
    }

    fn ended(status: Status, reason: &str) -> Option<Last> {
        Some(Last { status, reason: reason.to_owned(), at: "T2".to_owned() })
    }

    #[test]
    fn an_auditor_hears_one_sentence() {
        let away = "not known: not everybody answers";
        let failed = ended(Status::Failed, "purge_failed");
        let waiting = ended(Status::Deferred, "not_deleted");
        let rows = Said::Fact(Kept::Rows(3));
        let table = [
            (gone(), Conclusion::Fine, "deleted on T1, purged on T2, nothing left"),
            (
                Whereabouts { last: None, deleted: None, purged: None, ..gone() },
                Conclusion::Fine,
                "--since goes further",
            ),
            (Whereabouts { kept: rows, last: None, ..gone() }, Conclusion::Left, "3 rows; and nothing is under way"),
            (
                Whereabouts { kept: rows, last: failed.clone(), ..gone() },
                Conclusion::Left,
                "3 rows; FAILED purge_failed on T2",
            ),
            (Whereabouts { last: failed.clone(), ..gone() }, Conclusion::Left, "FAILED purge_failed on T2: see"),
            (Whereabouts { last: failed.clone(), is_parked: true, ..gone() }, Conclusion::Fine, "nothing left"),
            (
                Whereabouts { last: failed, unanswered: Some("T3".to_owned()), ..gone() },
                Conclusion::Left,
                "waiting for the workers: asked for on T3",
            ),
            (
                Whereabouts { row: Said::Fact(Row::Live(Some(1))), last: waiting, ..gone() },
                Conclusion::Left,
                "waiting since T2: not_deleted",
            ),
            (
                Whereabouts { kept: Said::Fact(Kept::Protected("admin")), ..gone() },
                Conclusion::Left,
                "person decides: admin",
            ),
            (Whereabouts { shown: Said::Fact(Shown::Live), ..gone() }, Conclusion::Left, "index still shows"),
            (Whereabouts { shown: Said::Fact(Shown::Deleted), ..gone() }, Conclusion::Fine, "nothing left"),
            (Whereabouts { row: Said::Fact(Row::Live(None)), kept: rows, ..gone() }, Conclusion::Fine, "status null"),
            (Whereabouts { row: Said::Fact(Row::Missing), ..gone() }, Conclusion::Fine, "nobody knows this user"),
            (
                Whereabouts { row: Said::Fact(Row::Missing), kept: rows, ..gone() },
                Conclusion::Left,
                "no row in Cassandra, but",
            ),
            (Whereabouts { row: Said::Away, ..gone() }, Conclusion::Unknown, away),
            (Whereabouts { kept: Said::Away, ..gone() }, Conclusion::Unknown, away),
            (Whereabouts { shown: Said::Away, ..gone() }, Conclusion::Unknown, away),
            (Whereabouts { topics: Said::Away, last: None, ..gone() }, Conclusion::Unknown, away),
            (
                Whereabouts { topics: Said::Away, last: None, kept: rows, ..gone() },
                Conclusion::Left,
                "still holds 3 rows",
            ),
        ];
        for (known, verdict, words) in table {
            let (concluded, text) = known.conclude();
            assert!(concluded == verdict && text.contains(words), "{concluded:?} {text}\n{known:?}");
        }
    }
}
