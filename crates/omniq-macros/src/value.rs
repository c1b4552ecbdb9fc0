//! Reads simple option values: strings, whole numbers, type names and paths.

use std::str::FromStr;

use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitStr, Path, UnOp};

/// Returns the literal, if the expression is one.
pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// Removes the invisible groups that `macro_rules!` puts around what it substitutes.
fn ungrouped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => ungrouped(&group.expr),
        _ => value,
    }
}

/// Reads a string that is not empty.
pub(crate) fn string(key: &str, value: &Expr, example: &str) -> syn::Result<LitStr> {
    let reject = |text: String| Err(syn::Error::new_spanned(value, text));
    match literal(value) {
        Some(Lit::Str(text)) if text.value().trim().is_empty() => reject(format!(
            "`{key}` is empty: write one, such as `{key} = \"{example}\"`, or leave `{key}` out"
        )),
        Some(Lit::Str(text)) => Ok(text.clone()),
        _ => reject(format!(
            "`{key}` takes a string in quotes, such as `{key} = \"{example}\"`"
        )),
    }
}

/// Reads a whole number of type `N`, such as `-5`. `allowed` says in the error which numbers are valid.
pub(crate) fn number<N: FromStr>(key: &str, value: &Expr, allowed: &str) -> syn::Result<N> {
    let digits = match ungrouped(value) {
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => digits(expr).map(|digits| format!("-{digits}")),
        plain => digits(plain),
    };
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| syn::Error::new_spanned(value, format!("`{key}` takes {allowed}")))
}

fn digits(value: &Expr) -> Option<String> {
    match literal(value) {
        Some(Lit::Int(number)) if number.suffix().is_empty() => {
            Some(number.base10_digits().to_owned())
        }
        _ => None,
    }
}

/// Reads the name of the type to generate.
pub(crate) fn type_name(key: &str, value: &Expr) -> syn::Result<Ident> {
    let name = match ungrouped(value) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        _ => None,
    };
    let text = format!("`{key}` takes the name of the type to generate, such as `{key} = Resize`");
    name.ok_or_else(|| syn::Error::new_spanned(value, text))
}

/// Reads a path in quotes, as in the attributes of other crates (`#[serde(crate = "..")]`).
pub(crate) fn path(key: &str, value: &Expr) -> syn::Result<Path> {
    let path = match literal(value) {
        Some(Lit::Str(text)) => text.parse_with(Path::parse_mod_style).ok(),
        _ => None,
    };
    let text = format!(
        "`{key}` takes the path of the omniq crate in quotes, such as `{key} = \"::my_crate::omniq\"`"
    );
    path.ok_or_else(|| syn::Error::new_spanned(value, text))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn numbers_keep_their_sign_and_must_fit_their_type() {
        let read = |value: Expr| number::<i32>("priority", &value, "a whole number").ok();
        assert_eq!(read(parse_quote!(-5)), Some(-5));
        assert_eq!(read(parse_quote!(1_000)), Some(1000));
        assert_eq!(read(parse_quote!(-2147483648)), Some(i32::MIN));
        assert_eq!(read(parse_quote!(2147483648)), None);
        assert_eq!(read(parse_quote!(1.5)), None);
        assert_eq!(read(parse_quote!("5")), None);
        assert_eq!(read(parse_quote!(5u8)), None);
        assert_eq!(read(parse_quote!(HIGH)), None);
    }

    #[test]
    fn strings_names_and_paths_are_read() {
        assert!(string("queue", &parse_quote!("images"), "x").is_ok());
        let empty = string("queue", &parse_quote!(" "), "images").err().unwrap();
        assert!(empty.to_string().contains("`queue` is empty"), "{empty}");
        assert!(string("queue", &parse_quote!(5), "images").is_err());
        assert_eq!(type_name("order", &parse_quote!(Resize)).unwrap(), "Resize");
        assert!(type_name("order", &parse_quote!(a::B)).is_err());
        assert!(type_name("order", &parse_quote!("Resize")).is_err());
        assert!(path("crate", &parse_quote!("crate::a::omniq")).is_ok());
        assert!(path("crate", &parse_quote!("a b")).is_err());
        assert!(path("crate", &parse_quote!("")).is_err());
    }
}
