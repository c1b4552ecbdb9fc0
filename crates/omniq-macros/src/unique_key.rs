//! The unique key: a text with the names of arguments between braces.

use syn::LitStr;

use crate::nearest::{listed, nearest};

/// Refuses a key that names something else than the arguments.
pub(crate) fn check(key: &LitStr, arguments: &[&str]) -> syn::Result<()> {
    let text = key.value();
    let wrong = names(&text).and_then(|names| match unknown(&names, arguments) {
        Some(text) => Err(text),
        None => Ok(()),
    });
    wrong.map_err(|text| syn::Error::new_spanned(key, format!("in `unique_key`, {text}")))
}

fn unknown(names: &[&str], arguments: &[&str]) -> Option<String> {
    let name = names.iter().find(|name| !arguments.contains(name))?;
    if arguments.is_empty() {
        return Some(format!(
            "`{{{name}}}` names no argument: this task has none"
        ));
    }
    let meant = nearest(name, arguments).map(|meant| format!("; did you mean `{{{meant}}}`?"));
    Some(format!(
        "`{{{name}}}` names no argument: this task has {}{}",
        listed(arguments),
        meant.unwrap_or_default()
    ))
}

/// The names between the braces, as `format!` reads them.
fn names(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            rest = &brace[2..];
        } else if brace.starts_with('}') {
            return Err("a `}` stands alone: write `}}` for a brace of the key itself".into());
        } else {
            let Some(end) = brace.find('}') else {
                return Err("a `{` stands alone: write `{{` for a brace of the key itself".into());
            };
            names.push(name(&brace[1..end])?);
            rest = &brace[end + 1..];
        }
    }
    Ok(names)
}

/// What is between two braces: a name, and perhaps how to write its value.
fn name(inside: &str) -> Result<&str, String> {
    let name = inside.split(':').next().unwrap_or_default().trim();
    if name.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "`{{{inside}}}` has no name: write that of an argument, such as `{{path}}`"
        ));
    }
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(name);
    }
    Err(format!(
        "`{{{inside}}}` is more than a name: only arguments as a whole can be written; for anything else, leave \
         `unique_key` out and give each order its own with `.unique_key(..)`"
    ))
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn checked(key: &str) -> Result<(), String> {
        let key = LitStr::new(key, Span::call_site());
        check(&key, &["path", "width"]).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_are_named_between_braces() {
        for key in [
            "one",
            "{path}-{width}",
            "{{{path}}}",
            "{width:>05} {path:?}",
            "{{}}",
        ] {
            assert_eq!(checked(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for (key, expected) in [
            (
                "{pth}",
                "this task has `path` and `width`; did you mean `{path}`?",
            ),
            ("{colour}", "`{colour}` names no argument"),
            ("{}", "`{}` has no name"),
            ("{0}", "`{0}` has no name"),
            ("{:?}", "`{:?}` has no name"),
            ("{path.len()}", "more than a name"),
            ("{path", "`{` stands alone"),
            ("path}", "`}` stands alone"),
        ] {
            let error = checked(key).unwrap_err();
            assert!(error.contains(expected), "{expected} in {error}");
        }
        let key = LitStr::new("{path}", Span::call_site());
        let error = check(&key, &[]).unwrap_err().to_string();
        assert!(error.contains("this task has none"), "{error}");
    }
}
