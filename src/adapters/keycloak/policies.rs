//! Ids in the user lists of other people's policies: each list is written anew without them.
//!
//! Read and written as JSON here and not in SQL: a list that is no JSON would fail the whole block there.

use std::collections::HashSet;

use tokio_postgres::{Client, Statement};

use super::block::Block;
use super::connection::{Call, Connection};
use super::failure::of_postgres;
use super::names::Names;
use super::statements::Effect;
use crate::ports::Failure;

/// `$1` words, `$2` forms of odd ids. Locked, so that nobody's change of a list is lost; in order, so that two blocks wait for
/// each other instead of deadlocking.
const LISTS: &str = "\
SELECT x.policy_id, x.value FROM policy_config x
WHERE x.name = 'users' AND (
    EXISTS (SELECT FROM unnest($2::text[]) AS f(form) WHERE strpos(x.value, f.form) > 0)
    OR x.policy_id IN (
        SELECT y.policy_id FROM policy_config y
        CROSS JOIN LATERAL unnest(string_to_array(translate(y.value, '\"\\', '//'), '/')) AS w(word)
        JOIN unnest($1::text[]) AS t(id) ON t.id = w.word
        WHERE y.name = 'users'))
ORDER BY x.policy_id";

/// `$1` policies, `$2` their new lists.
const WRITE: &str = "\
UPDATE policy_config x SET value = t.value FROM unnest($1::text[], $2::text[]) AS t(policy_id, value)
WHERE x.policy_id = t.policy_id AND x.name = 'users' RETURNING x.policy_id";

/// Prepared once per connection.
pub(super) struct Statements {
    lists: Statement,
    write: Option<Statement>,
}

impl Statements {
    pub(super) async fn prepare(client: &Client, effect: Effect) -> Result<Self, Failure> {
        let (lock, write) = match effect {
            Effect::Delete => (" FOR UPDATE OF x", Some(client.prepare(WRITE).await.map_err(of_postgres)?)),
            Effect::Count => ("", None),
        };
        Ok(Self { lists: client.prepare(&format!("{LISTS}{lock}")).await.map_err(of_postgres)?, write })
    }
}

/// What a person may want to look at, told once the transaction is committed. Ids of policies only.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Notes {
    /// Nobody is left in their lists: they deny.
    emptied: Vec<String>,
    /// Their lists are no JSON arrays of texts: left as they are.
    unreadable: Vec<String>,
}

impl Notes {
    pub(super) fn tell(&self) {
        for policy in &self.emptied {
            tracing::warn!(
                policy,
                "a policy of Keycloak names nobody any more and denies from now on: it was not deleted"
            );
        }
        for policy in &self.unreadable {
            tracing::warn!(policy, "the user list of a policy of Keycloak is no JSON and was left as it is");
        }
    }
}

/// A list that was written anew.
struct Rewritten {
    policy: String,
    list: String,
    /// Whose ids were in it.
    owners: Vec<usize>,
}

/// Takes the names out of every list, or in a dry run counts them.
pub(super) async fn scrub(
    connection: &Connection,
    statements: &Statements,
    block: &mut Block<'_>,
    names: &Names,
) -> Result<Notes, Failure> {
    // A list holds nothing but ids: here a short one counts too.
    let lists = connection.pipeline(&[Call::new(&statements.lists, vec![&names.exact, &names.forms])]).await?;
    let (mut notes, mut rewritten) = (Notes::default(), Vec::new());
    for row in lists.iter().flatten() {
        let (policy, value): (&str, &str) = (row.get(0), row.get(1));
        let Some((list, owners)) = without(value, names) else {
            notes.unreadable.push(policy.to_owned());
            names.told_in(value).into_iter().for_each(|owner| block.remains(owner));
            continue;
        };
        if list == "[]" {
            notes.emptied.push(policy.to_owned());
        }
        rewritten.push(Rewritten { policy: policy.to_owned(), list, owners });
    }
    let written = write(connection, statements, &rewritten).await?;
    for Rewritten { policy, owners, .. } in &rewritten {
        for owner in owners {
            if statements.write.is_none() || written.contains(policy) {
                block.credit(*owner, "policy_config");
            } else {
                block.remains(*owner);
            }
        }
    }
    Ok(notes)
}

async fn write(
    connection: &Connection,
    statements: &Statements,
    rewritten: &[Rewritten],
) -> Result<HashSet<String>, Failure> {
    let Some(write) = statements.write.as_ref().filter(|_| !rewritten.is_empty()) else { return Ok(HashSet::new()) };
    let (policies, lists): (Vec<_>, Vec<_>) =
        rewritten.iter().map(|list| (list.policy.as_str(), list.list.as_str())).unzip();
    let answers = connection.pipeline(&[Call::new(write, vec![&policies, &lists])]).await?;
    Ok(answers.iter().flatten().map(|row| row.get(0)).collect())
}

/// The list without the names, in its order, and whose they were. `None`: it is no JSON array of texts.
fn without(value: &str, names: &Names) -> Option<(String, Vec<usize>)> {
    let mut list: Vec<String> = serde_json::from_str(value).ok()?;
    let mut owners = Vec::new();
    list.retain(|id| match names.owner(id) {
        Some(owner) => {
            owners.push(owner);
            false
        }
        None => true,
    });
    Some((serde_json::Value::from(list).to_string(), owners))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.add("gone", 3);
        names.add(r#"go"ne\too"#, 4);
        names
    }

    #[test]
    fn the_others_stay_in_their_order() {
        let list = r#"["z", "gone", "a", "go\"ne\\too", "gone2", "gone"]"#;
        assert_eq!(without(list, &names()), Some((r#"["z","a","gone2"]"#.to_owned(), vec![3, 4, 3])));
        assert_eq!(without(r#"["gone"]"#, &names()), Some(("[]".to_owned(), vec![3])));
    }

    #[test]
    fn what_is_no_list_of_texts_is_not_guessed_at() {
        for value in ["", "gone", r#"["gone""#, r#"{"gone":1}"#, r#"["gone",7]"#] {
            assert_eq!(without(value, &names()), None, "{value}");
        }
    }
}
