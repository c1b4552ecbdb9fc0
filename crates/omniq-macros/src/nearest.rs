//! Finds the word that a misspelt one was probably meant to be, for "did you mean".

/// Returns the candidate with the fewest differing letters, if at most a third of the letters (or one) differ.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let max_distance = (word.chars().count() / 3).max(1);
    let distances = candidates.iter().map(|c| (edit_distance(word, c), *c));
    let (distance, closest) = distances.min_by_key(|(distance, _)| *distance)?;
    if distance > max_distance {
        return None;
    }
    Some(closest)
}

/// Returns how many letters must be added, removed or replaced to turn one word into the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Returns the words as a list for a message: `a`, `b` and `c`.
pub(crate) fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let words = ["timeout", "queue", "max_attempts"];
        assert_eq!(nearest("timout", &words), Some("timeout"));
        assert_eq!(nearest("max_atempt", &words), Some("max_attempts"));
        assert_eq!(nearest("queu", &words), Some("queue"));
        assert_eq!(nearest("colour", &words), None);
        assert_eq!(nearest("", &words), None);
    }

    #[test]
    fn a_list_has_commas_and_a_final_and() {
        assert_eq!(quoted_list(&[]), "");
        assert_eq!(quoted_list(&["a"]), "`a`");
        assert_eq!(quoted_list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
