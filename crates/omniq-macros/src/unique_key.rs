//! Checks a unique key: a format string with the names of arguments between braces.

use syn::LitStr;

use crate::nearest::{nearest, quoted_list};

/// Rejects a key that contains anything but names of arguments between its braces.
pub(crate) fn check(key: &LitStr, arguments: &[&str]) -> syn::Result<()> {
    let text = key.value();
    let checked = names(&text).and_then(|names| check_names(&names, arguments));
    checked.map_err(|text| syn::Error::new_spanned(key, format!("in `unique_key`, {text}")))
}

/// Rejects names that are not arguments.
fn check_names(names: &[&str], arguments: &[&str]) -> Result<(), String> {
    let Some(name) = names.iter().find(|name| !arguments.contains(name)) else {
        return Ok(());
    };
    if arguments.is_empty() {
        return Err(format!(
            "`{{{name}}}` names no argument: this task has none"
        ));
    }
    let suggestion = nearest(name, arguments).map(|meant| format!("; did you mean `{{{meant}}}`?"));
    Err(format!(
        "`{{{name}}}` names no argument: this task has {}{}",
        quoted_list(arguments),
        suggestion.unwrap_or_default()
    ))
}

/// Returns the names between the braces, as `format!` reads them.
fn names(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            rest = &brace[2..];
        } else if brace.starts_with('}') {
            return Err("a `}` has no matching `{`: write `}}` for a literal brace".into());
        } else {
            let Some(end) = brace.find('}') else {
                return Err("a `{` has no matching `}`: write `{{` for a literal brace".into());
            };
            names.push(name(&brace[1..end])?);
            rest = &brace[end + 1..];
        }
    }
    Ok(names)
}

/// Returns the name in the text between two braces: a name, and optionally how to format its value.
fn name(inside: &str) -> Result<&str, String> {
    let name = inside.split(':').next().unwrap_or_default().trim();
    if name.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "`{{{inside}}}` has no name: write the name of an argument, such as `{{path}}`"
        ));
    }
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(name);
    }
    Err(format!(
        "`{{{inside}}}` is more than a name: only names of arguments are allowed; for anything else, leave \
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
    fn names_of_arguments_between_braces_are_accepted() {
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
    fn anything_else_is_rejected_with_a_remedy() {
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
            ("{path", "`{` has no matching `}`"),
            ("path}", "`}` has no matching `{`"),
        ] {
            let error = checked(key).unwrap_err();
            assert!(error.contains(expected), "{expected} in {error}");
        }
        let key = LitStr::new("{path}", Span::call_site());
        let error = check(&key, &[]).unwrap_err().to_string();
        assert!(error.contains("this task has none"), "{error}");
    }
}
