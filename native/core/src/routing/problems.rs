//! Mistakes in a configuration, collected so that the operator sees all of them at once.

use crate::config::ConfigError;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<ConfigError>);

impl Problems {
    /// Adds one.
    pub(super) fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push(ConfigError::new(path, problem));
    }

    /// Keeps the value, or adds the mistake at `path`.
    pub(super) fn keep<T>(&mut self, path: impl FnOnce() -> String, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.add(path(), problem)).ok()
    }

    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order in which they were added.
    pub(super) fn all(self) -> Vec<ConfigError> {
        self.0
    }
}

/// `; did you mean "…"?` with the name nearest to `wrong`, or nothing when none is near.
pub(super) fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let wrong = wrong.to_ascii_lowercase();
    let near = names
        .into_iter()
        .map(|name| (distance(&wrong, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wrong.len()) / 3).max(1))
        .min();
    near.map(|(_, name)| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// Edits (one octet put in, taken out or changed) that lead from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "abd", 1), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_name_is_named() {
        assert_eq!(did_you_mean("carier", ["carriers", "carrier"]), "; did you mean \"carrier\"?");
        assert_eq!(did_you_mean("invite", ["BYE", "INVITE"]), "; did you mean \"INVITE\"?");
        assert_eq!(did_you_mean("x", ["carrier"]), "");
        assert_eq!(did_you_mean("x", []), "");
    }
}
