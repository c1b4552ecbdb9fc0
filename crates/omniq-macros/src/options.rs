//! Reads the options between the parentheses of the attribute.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Lit, LitStr, Path, Token, parse_quote};

use crate::durations::{Backoff, DurationValue};
use crate::nearest::{nearest, quoted_list};
use crate::problems::Problems;
use crate::value;

/// The options of a task, each at most once.
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) priority: Option<i32>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<DurationValue>,
    pub(crate) interval: Option<DurationValue>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) unique_key: Option<LitStr>,
    /// The name of the generated type, if it is not the function's.
    pub(crate) order: Option<Ident>,
    /// The path of the omniq crate.
    pub(crate) omniq: Path,
}

const KEYS: [&str; 10] = [
    "name",
    "queue",
    "priority",
    "max_attempts",
    "timeout",
    "interval",
    "backoff",
    "unique_key",
    "order",
    "crate",
];

/// Names that other task queues use, and our options that mean the same.
const SYNONYMS: [(&str, &str); 9] = [
    ("retries", "max_attempts"),
    ("max_retries", "max_attempts"),
    ("attempts", "max_attempts"),
    ("retry_delay", "backoff"),
    ("time_limit", "timeout"),
    ("every", "interval"),
    ("schedule", "interval"),
    ("key", "unique_key"),
    ("struct", "order"),
];

/// `key = value`. A key alone is parsed too, so that its mistake is reported together with the others.
struct Entry {
    key: Ident,
    value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.peek(Lit) {
            let text = "an option has a name: write `key = value`, such as `queue = \"images\"`";
            return Err(input.error(text));
        }
        let key = input.call(Ident::parse_any)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self { key, value: None });
        }
        if input.parse::<Token![=]>().is_err() {
            return Err(input.error(format!("write `{key} = ..`, with the value after the `=`")));
        }
        let value = if input.is_empty() || input.peek(Token![,]) {
            None
        } else {
            Some(input.parse()?)
        };
        Ok(Self { key, value })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            queue: None,
            priority: None,
            max_attempts: None,
            timeout: None,
            interval: None,
            backoff: None,
            unique_key: None,
            order: None,
            omniq: parse_quote!(::omniq),
        }
    }
}

impl Options {
    /// Reads all valid options, and adds a problem for each of the others.
    pub(crate) fn read(attribute: proc_macro2::TokenStream, problems: &mut Problems) -> Self {
        let mut options = Self::default();
        let entries = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(attribute);
        let mut seen = Vec::new();
        for entry in problems.ok_or_record(entries).into_iter().flatten() {
            let key = entry.key.to_string();
            if seen.contains(&key) {
                problems.add(
                    &entry.key,
                    format!("`{key}` is given twice: leave one of them out"),
                );
                continue;
            }
            problems.ok_or_record(options.set(&key, entry));
            seen.push(key);
        }
        options
    }

    fn set(&mut self, key: &str, entry: Entry) -> syn::Result<()> {
        if !KEYS.contains(&key) {
            return Err(unknown(key, &entry.key));
        }
        let Some(value) = entry.value else {
            let text = format!("`{key}` has no value: write `{}`", example(key));
            return Err(syn::Error::new_spanned(entry.key, text));
        };
        match key {
            "name" => self.name = Some(value::string(key, &value, "images.resize")?),
            "queue" => self.queue = Some(value::string(key, &value, "images")?),
            "priority" => {
                let allowed =
                    "a whole number such as 10 or -5: tasks with a higher priority run first";
                self.priority = Some(value::number(key, &value, allowed)?);
            }
            "max_attempts" => self.max_attempts = Some(attempts(&value)?),
            "timeout" => self.timeout = Some(DurationValue::read(key, value)?),
            "interval" => self.interval = Some(DurationValue::read(key, value)?),
            "backoff" => self.backoff = Some(Backoff::read(value)?),
            "unique_key" => self.unique_key = Some(value::string(key, &value, "{path}")?),
            "order" => self.order = Some(value::type_name(key, &value)?),
            _ => self.omniq = value::path(key, &value)?,
        }
        Ok(())
    }
}

fn attempts(value: &Expr) -> syn::Result<u32> {
    let allowed = "a whole number that is at least 1, such as `max_attempts = 5`: it counts all executions, the first included";
    let attempts = value::number("max_attempts", value, allowed)?;
    if attempts == 0 {
        let text = "`max_attempts` is 0, but it counts all executions, the first included: write at least 1";
        return Err(syn::Error::new_spanned(value, text));
    }
    Ok(attempts)
}

/// Returns a valid use of an option.
fn example(key: &str) -> &'static str {
    match key {
        "name" => "name = \"images.resize\"",
        "queue" => "queue = \"images\"",
        "priority" => "priority = 10",
        "max_attempts" => "max_attempts = 5",
        "timeout" => "timeout = \"30s\"",
        "interval" => "interval = \"1h\"",
        "backoff" => "backoff = \"1s..60s\"",
        "unique_key" => "unique_key = \"{path}\"",
        "order" => "order = Resize",
        _ => "crate = \"::my_crate::omniq\"",
    }
}

/// Returns the error for an option that does not exist, with the option that was probably meant.
fn unknown(key: &str, at: impl ToTokens) -> syn::Error {
    let synonym = SYNONYMS.iter().find(|(name, _)| *name == key);
    let meant = match synonym {
        Some((_, option)) => Some(*option),
        None => nearest(key, &KEYS),
    };
    let suggestion = match meant {
        Some(meant) => format!(": did you mean `{}`? ", example(meant)),
        None if key == "delay" || key == "eta" => {
            format!(": set it on each order, such as `task::with(..).{key}(..)`. ")
        }
        None => ". ".to_owned(),
    };
    let text = format!(
        "a task has no option `{key}`{suggestion}The options are {}",
        quoted_list(&KEYS)
    );
    syn::Error::new_spanned(at, text)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::*;

    fn read(attribute: TokenStream) -> Result<Options, String> {
        let mut problems = Problems::default();
        let options = Options::read(attribute, &mut problems);
        match problems.into_code() {
            None => Ok(options),
            Some(code) => Err(code.to_string()),
        }
    }

    #[test]
    fn all_options_are_read() {
        let options = read(quote! {
            name = "images.resize", queue = "images", priority = -5, max_attempts = 5, timeout = "30s",
            interval = Duration::from_secs(1), backoff = "1s..60s", unique_key = "{path}", order = Resize,
            crate = "crate::omniq",
        })
        .unwrap();
        assert_eq!(options.name.unwrap().value(), "images.resize");
        assert_eq!(options.queue.unwrap().value(), "images");
        assert_eq!(
            (options.priority, options.max_attempts),
            (Some(-5), Some(5))
        );
        assert!(matches!(options.timeout, Some(DurationValue::Literal(_))));
        assert!(matches!(
            options.interval,
            Some(DurationValue::Expression(_))
        ));
        assert!(matches!(options.backoff, Some(Backoff::Doubling { .. })));
        assert_eq!(options.order.unwrap(), "Resize");
        assert!(read(quote!()).is_ok());
    }

    #[test]
    fn a_wrong_option_is_reported_with_a_remedy() {
        for (attribute, expected) in [
            (
                quote!(timout = "3s"),
                "did you mean `timeout = \\\"30s\\\"`?",
            ),
            (
                quote!(max_retries = 3),
                "did you mean `max_attempts = 5`? The options are `name`, `queue`",
            ),
            (quote!(delay = "3s"), "set it on each order"),
            (
                quote!(colour = 3),
                "no option `colour`. The options are `name`",
            ),
            (quote!(queue = "a", queue = "b"), "`queue` is given twice"),
            (quote!(max_attempts), "has no value"),
            (quote!(max_attempts = 0), "write at least 1"),
            (
                quote!(max_attempts = -1),
                "a whole number that is at least 1",
            ),
            (quote!(priority = "high"), "a whole number such as 10 or -5"),
            (quote!(queue("a")), "write `queue = ..`, with the value"),
            (quote!(queue: "a"), "write `queue = ..`, with the value"),
            (quote!(queue =), "`queue` has no value"),
            (quote!("images"), "an option has a name"),
            (quote!(queue = ""), "`queue` is empty"),
        ] {
            let errors = read(attribute).err().unwrap();
            assert!(errors.contains(expected), "{expected} in {errors}");
        }
    }

    #[test]
    fn several_problems_are_reported_together() {
        let errors = read(quote!(timout = "3s", max_attempts = 0, queue = 5))
            .err()
            .unwrap();
        assert_eq!(errors.matches("compile_error").count(), 3, "{errors}");
    }
}
