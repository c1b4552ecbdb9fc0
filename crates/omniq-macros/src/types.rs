//! Questions about a type as it is written.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, TypeReference};

/// What to say of `Self`.
pub(crate) const SELF: &str =
    "a task is a function of its own, not one of a type: move it out of the `impl` block";

/// The type itself, without parentheses and the groups that macros leave.
pub(crate) fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => plain(&group.elem),
        Type::Paren(paren) => plain(&paren.elem),
        _ => ty,
    }
}

/// Whether it is the type of this name, wherever that is.
pub(crate) fn is_called(ty: &Type, name: &str) -> bool {
    match plain(ty) {
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident == name && last.arguments.is_none())
        }
        _ => false,
    }
}

/// The `T` of a `Name<T>`.
pub(crate) fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = plain(ty) else {
        return None;
    };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// Whether a word or a sign is somewhere in the type.
pub(crate) fn contains(ty: &Type, word: &str) -> bool {
    fn within(tokens: TokenStream, word: &str) -> bool {
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(found) => found == word,
            TokenTree::Punct(found) => word.len() == 1 && word.starts_with(found.as_char()),
            TokenTree::Group(group) => within(group.stream(), word),
            TokenTree::Literal(_) => false,
        })
    }
    within(ty.to_token_stream(), word)
}

/// Whether a lifetime other than `'static` is somewhere in the type.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn within(tokens: TokenStream) -> bool {
        let mut mark = false;
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(name) => std::mem::take(&mut mark) && name != "static",
            TokenTree::Punct(sign) => {
                mark = sign.as_char() == '\'';
                false
            }
            TokenTree::Group(group) => within(group.stream()),
            TokenTree::Literal(_) => false,
        })
    }
    within(ty.to_token_stream())
}

/// What to write instead of a reference.
pub(crate) fn owned(reference: &TypeReference) -> String {
    let inner = plain(&reference.elem);
    let known = [
        ("str", "String"),
        ("Path", "PathBuf"),
        ("OsStr", "OsString"),
        ("CStr", "CString"),
    ];
    if let Some((_, owned)) = known.iter().find(|(name, _)| is_called(inner, name)) {
        return (*owned).to_owned();
    }
    match inner {
        Type::Slice(slice) => format!("Vec<{}>", as_written(&slice.elem)),
        Type::TraitObject(_) => "a type that can be stored".to_owned(),
        _ => as_written(inner),
    }
}

/// The type as people write it; tokens alone would be spaced out.
pub(crate) fn as_written(ty: &Type) -> String {
    let mut text = String::new();
    for part in ty.to_token_stream().to_string().split(' ') {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let apart = text.ends_with([',', ';']) || (text.ends_with(word) && part.starts_with(word));
        if apart && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn types_are_known_by_their_last_name() {
        let context = |ty: Type| is_called(&ty, "TaskContext");
        assert!(context(parse_quote!(TaskContext)));
        assert!(context(parse_quote!((omniq::TaskContext))));
        assert!(!context(parse_quote!(TaskContext<u8>)));
        let state = |ty: Type| argument_of(&ty, "State").map(as_written);
        assert_eq!(
            state(parse_quote!(omniq::State<Pool<Db>>)).unwrap(),
            "Pool<Db>"
        );
        assert_eq!(state(parse_quote!(State<A, B>)), None);
        assert_eq!(state(parse_quote!(State)), None);
        assert_eq!(state(parse_quote!([State<A>; 2])), None);
    }

    #[test]
    fn a_reference_has_something_to_own_instead() {
        let instead = |reference: TypeReference| owned(&reference);
        assert_eq!(instead(parse_quote!(&str)), "String");
        assert_eq!(instead(parse_quote!(&'static std::path::Path)), "PathBuf");
        assert_eq!(instead(parse_quote!(&[u8])), "Vec<u8>");
        assert_eq!(
            instead(parse_quote!(&mut HashMap<String, u8>)),
            "HashMap<String, u8>"
        );
    }

    #[test]
    fn words_are_found_inside() {
        assert!(contains(&parse_quote!(Vec<(u8, impl Copy)>), "impl"));
        assert!(contains(&parse_quote!(Vec<&str>), "&"));
        assert!(!contains(&parse_quote!(Vec<Implied>), "impl"));
        assert!(borrows(&parse_quote!(Vec<(u8, Frame<'_>)>)));
        assert!(!borrows(&parse_quote!(Cow<'static, str>)));
    }
}
