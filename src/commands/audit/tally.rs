//! What an audit has found, without naming anybody.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::commands::Exit;
use crate::ports::{Failure, Purged};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    pub users: u64,
    pub deleted: u64,
    pub not_deleted: u64,
    /// Asked for by name, and not in Cassandra.
    pub without_row: u64,
    /// A purge would take something from them.
    #[serde(rename = "stillKnown")]
    known: u64,
    tables: BTreeMap<&'static str, Found>,
    protected: BTreeMap<&'static str, u64>,
    /// By the bounded word of what failed.
    #[serde(rename = "notRead")]
    unread: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Serialize)]
struct Found {
    users: u64,
    rows: u64,
}

impl Tally {
    pub(super) fn counted(&mut self, purged: &Purged) {
        match purged {
            Purged::Clean { rows, .. } if rows.is_empty() => {}
            Purged::Clean { rows, .. } => {
                self.known += 1;
                for (table, rows) in rows {
                    let found = self.tables.entry(table).or_default();
                    found.users += 1;
                    found.rows += rows;
                }
            }
            Purged::Protected(protection) => *self.protected.entry(protection.name()).or_default() += 1,
            // Only a retirement ends so, and an audit asks for none.
            Purged::CredentialsNotMoved => {}
        }
    }

    pub(super) fn unread(&mut self, failure: &Failure) {
        *self.unread.entry(failure.reason.to_string()).or_default() += 1;
    }

    /// Users that a purge would take something from, and those who are kept.
    pub(super) fn left(&self) -> u64 {
        self.known + self.protected.values().sum::<u64>()
    }

    pub(super) fn exit(&self) -> Exit {
        match (self.unread.is_empty(), self.left()) {
            // Nobody knows what is left of them.
            (false, _) => Exit::Held,
            (true, 0) => Exit::Done,
            (true, _) => Exit::Left,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, deleted, not_deleted, without_row, known, tables, protected, unread } = self;
        writeln!(
            formatter,
            "looked at    {users} users: {deleted} deleted, {not_deleted} not, {without_row} without a row"
        )?;
        writeln!(formatter, "still known  {known} deleted users")?;
        if !tables.is_empty() {
            writeln!(formatter, "\n{:<28} {:>10} {:>10}", "table", "users", "rows")?;
            for (table, Found { users, rows }) in tables {
                writeln!(formatter, "{table:<28} {users:>10} {rows:>10}")?;
            }
            let rows: u64 = tables.values().map(|found| found.rows).sum();
            writeln!(formatter, "{:<28} {known:>10} {rows:>10}\n", "total")?;
        }
        for (protection, users) in protected {
            writeln!(formatter, "protected    {users} deleted users: {protection}, kept until a person decides")?;
        }
        for (reason, users) in unread {
            writeln!(formatter, "not read     {users} users: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::RowCounts;
    use crate::ports::{Disposition, Protection};

    fn clean(rows: &[(&'static str, u64)]) -> Purged {
        Purged::Clean { rows: rows.iter().copied().collect::<RowCounts>(), residue: 0 }
    }

    #[test]
    fn the_exit_code_tells_whether_anything_is_left() {
        let mut tally = Tally { users: 4, deleted: 4, ..Tally::default() };
        tally.counted(&clean(&[]));
        assert_eq!((tally.exit(), tally.left()), (Exit::Done, 0));
        tally.counted(&Purged::Protected(Protection::Admin));
        assert_eq!((tally.exit(), tally.left()), (Exit::Left, 1));
        tally.counted(&clean(&[("credential", 2), ("user_entity", 1)]));
        tally.counted(&clean(&[("credential", 1)]));
        assert_eq!((tally.exit(), tally.left()), (Exit::Left, 3));
        let text = tally.to_string();
        for line in ["still known  2 deleted users", "protected    1 deleted users: admin, kept until a person decides"]
        {
            assert!(text.lines().any(|told| told == line), "{text}");
        }
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        for row in
            [["table", "users", "rows"], ["credential", "2", "3"], ["user_entity", "1", "1"], ["total", "2", "4"]]
        {
            assert!(cells.iter().any(|cells| *cells == row), "{text}");
        }
        let told = serde_json::to_value(&tally).unwrap();
        assert_eq!((&told["stillKnown"], &told["tables"]["credential"]["rows"]), (&2.into(), &3.into()), "{told}");
        tally.unread(&Failure::new(Disposition::Reject, "bad_row"));
        assert_eq!(tally.exit(), Exit::Held);
    }
}
