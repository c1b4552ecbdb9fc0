//! Finds phrases that have a standard term, in comments, strings, names and documents.

/// A phrase, and what to write instead.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// In lower case, with single spaces.
    pub phrase: &'static str,
    /// The standard term.
    pub instead: &'static str,
    /// Longer phrases that contain this one and are fine.
    pub except: &'static [&'static str],
}

/// A place where a phrase was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Offence {
    /// The line where the phrase begins.
    pub line: usize,
    /// The phrase.
    pub phrase: &'static str,
    /// What to write instead.
    pub instead: &'static str,
}

/// Returns the places where a text has the phrases of the rules, in the order of the text.
///
/// Whole words are compared, in any case. A phrase may go over the end of a line, and its words may be joined by `_`, as in the
/// name of a function.
pub fn offences(text: &str, rules: &[Rule]) -> Vec<Offence> {
    let prose = Prose::new(text);
    let mut found = Vec::new();
    for rule in rules {
        for (at, phrase) in prose.text.match_indices(rule.phrase) {
            if is_whole(&prose.text, at, phrase) && !is_excepted(&prose.text, at, rule) {
                found.push(Offence {
                    line: prose.line(at),
                    phrase: rule.phrase,
                    instead: rule.instead,
                });
            }
        }
    }
    found.sort_by_key(|offence| offence.line);
    found
}

/// A text in lower case, without comment marks, with single spaces between its words.
struct Prose {
    text: String,
    /// Where each line of the original begins in the text.
    starts: Vec<usize>,
}

impl Prose {
    fn new(original: &str) -> Self {
        let mut text = String::new();
        let mut starts = Vec::new();
        for line in original.lines() {
            starts.push(text.len());
            let line = line.to_ascii_lowercase().replace('_', " ");
            let marks = |mark: char| mark.is_whitespace() || "/!#|>*".contains(mark);
            let line = line.trim().trim_end_matches('\\');
            let line = line.strip_prefix("--").unwrap_or(line);
            let words: Vec<_> = line.trim_start_matches(marks).split_whitespace().collect();
            text += &words.join(" ");
            // An empty line ends a paragraph: no phrase goes on behind it.
            text.push(if words.is_empty() { '\n' } else { ' ' });
        }
        Self { text, starts }
    }

    /// Returns the number of the line that a place in the text came from.
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }
}

/// Whether a phrase begins and ends at the ends of words.
fn is_whole(text: &str, at: usize, phrase: &str) -> bool {
    let parts = |a: Option<char>, b: Option<char>| {
        !(a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric))
    };
    let before = text[..at].chars().next_back();
    let after = text[at + phrase.len()..].chars().next();
    parts(before, phrase.chars().next()) && parts(phrase.chars().next_back(), after)
}

fn is_excepted(text: &str, at: usize, rule: &Rule) -> bool {
    rule.except.iter().any(|longer| {
        let begins = longer
            .find(rule.phrase)
            .and_then(|within| at.checked_sub(within));
        begins
            .and_then(|begins| text.get(begins..))
            .is_some_and(|text| text.starts_with(longer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rule; 2] = [
        Rule {
            phrase: "red fox",
            instead: "fox",
            except: &["the red fox inn"],
        },
        Rule {
            phrase: ", hen",
            instead: "chicken",
            except: &[],
        },
    ];

    fn found(text: &str) -> Vec<(usize, &'static str)> {
        let found = offences(text, &RULES).into_iter();
        found
            .map(|offence| (offence.line, offence.instead))
            .collect()
    }

    #[test]
    fn a_phrase_is_found_across_lines_in_names_and_in_any_case() {
        let text = "\n/// It is a Red\n    ///  fox, hen.\nfn a_red_fox() {}\n\"a red \\\n fox\"";
        let expected = [(2, "fox"), (3, "chicken"), (4, "fox"), (5, "fox")];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn parts_of_words_other_paragraphs_and_exceptions_are_no_offence() {
        for text in [
            "a tired fox, henhouse",
            "red foxes, infrared foxglove",
            "red\n\nfox",
            "at The Red Fox Inn",
            "then",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
