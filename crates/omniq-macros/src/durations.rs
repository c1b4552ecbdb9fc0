//! Reads durations and backoffs. Literals are parsed at compile time; anything else is kept as an expression.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Lit, LitStr};

use crate::value::literal;

/// The value of `timeout` or `interval`.
pub(crate) enum DurationValue {
    Literal(Duration),
    Expression(Expr),
}

/// The value of `backoff`.
pub(crate) enum Backoff {
    Fixed(Duration),
    Doubling { first: Duration, max: Duration },
    Expression(Expr),
}

impl DurationValue {
    pub(crate) fn read(key: &str, value: Expr) -> syn::Result<Self> {
        match literal(&value) {
            Some(Lit::Str(text)) => Ok(Self::Literal(duration(key, text, &text.value())?)),
            Some(other) => {
                let text = format!(
                    "`{key}` takes a duration with its unit, in quotes, such as `{key} = \"30s\"`, or an \
                     expression of type `Duration`"
                );
                Err(syn::Error::new_spanned(other, text))
            }
            None => Ok(Self::Expression(value)),
        }
    }

    pub(crate) fn to_code(&self) -> TokenStream {
        match self {
            Self::Literal(span) => duration_code(*span),
            Self::Expression(code) => code.to_token_stream(),
        }
    }
}

impl Backoff {
    pub(crate) fn read(value: Expr) -> syn::Result<Self> {
        match literal(&value) {
            Some(Lit::Str(text)) => Self::parse(text),
            Some(other) => {
                let text = "`backoff` takes durations in quotes: `backoff = \"10s\"` for the same wait each time, \
                            `backoff = \"1s..60s\"` for one that doubles; or an expression of type `Backoff`";
                Err(syn::Error::new_spanned(other, text))
            }
            None => Ok(Self::Expression(value)),
        }
    }

    fn parse(text: &LitStr) -> syn::Result<Self> {
        let written = text.value();
        let Some((first, max)) = written.split_once("..") else {
            return Ok(Self::Fixed(duration("backoff", text, &written)?));
        };
        if first.trim().is_empty() || max.trim().is_empty() {
            let message = format!(
                "the backoff {written:?} lacks one end: write the first wait and the longest one, such as \
                 \"1s..60s\""
            );
            return Err(syn::Error::new_spanned(text, message));
        }
        let first = duration("backoff", text, first)?;
        let max = duration("backoff", text, max)?;
        if first > max {
            let message = format!(
                "the backoff {written:?} starts with more than its longest wait: write the shorter one first"
            );
            return Err(syn::Error::new_spanned(text, message));
        }
        Ok(Self::Doubling { first, max })
    }

    pub(crate) fn to_code(&self, omniq: &syn::Path) -> TokenStream {
        match self {
            Self::Fixed(wait) => {
                let wait = duration_code(*wait);
                quote!(#omniq::Backoff::Fixed(#wait))
            }
            Self::Doubling { first, max } => {
                let (first, max) = (duration_code(*first), duration_code(*max));
                quote!(#omniq::Backoff::Exponential { first: #first, max: #max })
            }
            Self::Expression(code) => code.to_token_stream(),
        }
    }
}

/// Parses a duration such as `1m 30s`, which is longer than zero.
fn duration(key: &str, at: &LitStr, written: &str) -> syn::Result<Duration> {
    let written = written.trim();
    let reject = |text: String| Err(syn::Error::new_spanned(at, text));
    if written.contains('M') {
        return reject(format!(
            "`{key}` is {written:?}, and `M` would be a month: write `m` for minutes, or `30days`"
        ));
    }
    match humantime::parse_duration(written) {
        Ok(span) if span.is_zero() => reject(format!(
            "`{key}` is {written:?}, but a duration of zero makes no sense here: write a longer one, or leave \
             `{key}` out"
        )),
        Ok(span) => Ok(span),
        Err(e) => reject(format!(
            "`{key}` is {written:?}, which is not a duration ({e}): write one such as \"500ms\", \"30s\", \
             \"1m 30s\" or \"2h\""
        )),
    }
}

/// Returns the code of a duration.
fn duration_code(span: Duration) -> TokenStream {
    let (seconds, nanos) = (span.as_secs(), span.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn rejection(value: Expr) -> String {
        DurationValue::read("timeout", value)
            .err()
            .unwrap()
            .to_string()
    }

    #[test]
    fn durations_and_expressions_are_read() {
        let read = |text: &str| match DurationValue::read("timeout", parse_quote!(#text)).unwrap() {
            DurationValue::Literal(span) => span,
            DurationValue::Expression(_) => panic!("{text} is a literal"),
        };
        assert_eq!(read("30s"), Duration::from_secs(30));
        assert_eq!(read(" 1m 500ms"), Duration::from_millis(60_500));
        let code = DurationValue::read("timeout", parse_quote!(Duration::from_millis(50))).unwrap();
        assert!(matches!(code, DurationValue::Expression(_)));
    }

    #[test]
    fn other_values_are_rejected_with_a_remedy() {
        assert!(rejection(parse_quote!("30")).contains("time unit needed"));
        assert!(rejection(parse_quote!("soon")).contains("such as \"500ms\""));
        assert!(rejection(parse_quote!("")).contains("which is not a duration"));
        assert!(rejection(parse_quote!("0s")).contains("write a longer one"));
        assert!(rejection(parse_quote!("5M")).contains("would be a month"));
        assert!(rejection(parse_quote!(30)).contains("in quotes, such as `timeout = \"30s\"`"));
        assert!(rejection(parse_quote!(30s)).contains("in quotes"));
    }

    #[test]
    fn a_backoff_is_fixed_or_doubles() {
        let read = |text: &str| Backoff::read(parse_quote!(#text));
        let seconds = Duration::from_secs;
        assert!(matches!(read("10s"), Ok(Backoff::Fixed(wait)) if wait == seconds(10)));
        let doubling = read("1s .. 60s").unwrap();
        assert!(
            matches!(doubling, Backoff::Doubling { first, max } if first == seconds(1) && max == seconds(60))
        );
        for (text, expected) in [
            ("60s..1s", "write the shorter one first"),
            ("1s..", "lacks one end"),
            ("..", "lacks one end"),
            ("1s..=60s", "\"=60s\", which is not a duration"),
            ("0s", "a duration of zero"),
            ("0s..1s", "a duration of zero"),
        ] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.contains(expected), "{expected} in {error}");
        }
        let number = Backoff::read(parse_quote!(10)).err().unwrap().to_string();
        assert!(number.contains("for one that doubles"), "{number}");
    }
}
