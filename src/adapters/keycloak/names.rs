//! By which texts a person is found where no column names them: in paths, in JSON, in JSON within JSON.

use std::collections::{BTreeSet, HashMap};

use super::block::Block;

/// What ends a word in JSON and in paths.
const ENDS: [char; 3] = ['"', '\\', '/'];
/// A shorter id may be a word of the language ("roles"): it counts only where nothing but a user's id can stand.
const SHORTEST_WORD: usize = 16;

/// The names of a block's users, ready to be parameters.
#[derive(Default)]
pub(super) struct Names {
    /// Ids and session ids, for columns.
    pub exact: Vec<String>,
    /// Those of them that are one word in any text.
    pub words: Vec<String>,
    /// The others, as they stand in texts, with what ends them.
    pub forms: Vec<String>,
    /// Whose each of them is.
    owners: HashMap<String, usize>,
}

impl Names {
    pub(super) fn new<'a>(
        ids: &[String],
        sessions: impl Iterator<Item = (&'a String, usize)>,
        block: &Block<'_>,
    ) -> Self {
        let mut names = Self::default();
        for id in ids {
            if let Some(owner) = block.purged(id) {
                names.add(id, owner);
            }
        }
        for (session, owner) in sessions {
            names.add(session, owner);
        }
        names
    }

    pub(super) fn add(&mut self, name: &str, owner: usize) {
        if self.owners.insert(name.to_owned(), owner).is_some() {
            return;
        }
        self.exact.push(name.to_owned());
        if name.chars().count() < SHORTEST_WORD {
            return;
        }
        if !name.contains(ENDS) {
            self.words.push(name.to_owned());
            return;
        }
        for form in forms(name) {
            self.owners.insert(form.clone(), owner);
            self.forms.push(form);
        }
    }

    /// Who is named in a text that only these names have found.
    pub(super) fn told_in(&self, text: &str) -> BTreeSet<usize> {
        let forms = self.forms.iter().filter(|form| text.contains(*form)).map(String::as_str);
        text.split(ENDS).chain(forms).filter_map(|name| self.owner(name)).collect()
    }

    pub(super) fn owner(&self, name: &str) -> Option<usize> {
        self.owners.get(name).copied()
    }
}

/// In a path, in JSON, and in JSON that is a text in JSON.
fn forms(name: &str) -> [String; 3] {
    let quoted = quoted(name);
    let again = self::quoted(&quoted);
    let nested = again.get(1..again.len() - 1).unwrap_or_default().to_owned();
    [format!("/{name}/"), quoted, nested]
}

/// As Jackson writes it: quotes and backslashes are escaped, slashes and letters of any script are not.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_name_is_looked_for_as_it_is_written_in_paths_and_in_json_at_any_depth() {
        let mut names = Names::default();
        names.add(r#"o'br"en\of/the-sea"#, 1);
        assert_eq!(names.words, Vec::<String>::new());
        let nested = r#"\"o'br\\\"en\\\\of/the-sea\""#;
        assert_eq!(names.forms, [r#"/o'br"en\of/the-sea/"#, r#""o'br\"en\\of/the-sea""#, nested]);
        assert_eq!(names.owner(nested), Some(1));
    }

    #[test]
    fn a_short_name_is_no_word_and_a_long_one_of_any_script_is() {
        let mut names = Names::default();
        let long = "ü:%☃ of many letters";
        for name in ["roles", "a/b", long] {
            names.add(name, 0);
        }
        assert_eq!((names.exact.len(), names.words.as_slice(), names.forms.len()), (3, &[long.to_owned()][..], 0));
    }
}
