//! Examines types by their tokens: a macro knows how a type is written, not what it is.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, TypeReference};

/// The message about the type `Self` in a signature.
pub(crate) const SELF_TYPE: &str =
    "a task is a free function, not a method of a type: move it out of the `impl` block";

/// Removes parentheses, and the invisible groups that `macro_rules!` leaves.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        _ => ty,
    }
}

/// Returns whether the type has this name and no type arguments, in any module.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    match ungrouped(ty) {
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident == name && last.arguments.is_none())
        }
        _ => false,
    }
}

/// Returns the `T` of a `Name<T>`.
pub(crate) fn type_argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ungrouped(ty) else {
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

/// Returns whether the type contains an identifier or a punctuation character, at any depth.
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

/// Returns whether the type contains a lifetime other than `'static`, at any depth.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn within(tokens: TokenStream) -> bool {
        let mut after_apostrophe = false;
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(name) => std::mem::take(&mut after_apostrophe) && name != "static",
            TokenTree::Punct(sign) => {
                after_apostrophe = sign.as_char() == '\'';
                false
            }
            TokenTree::Group(group) => within(group.stream()),
            TokenTree::Literal(_) => false,
        })
    }
    within(ty.to_token_stream())
}

/// Returns the type to write instead of a reference.
pub(crate) fn owned_type(reference: &TypeReference) -> String {
    let inner = ungrouped(&reference.elem);
    let owned_types = [
        ("str", "String"),
        ("Path", "PathBuf"),
        ("OsStr", "OsString"),
        ("CStr", "CString"),
    ];
    if let Some((_, owned)) = owned_types.iter().find(|(name, _)| is_named(inner, name)) {
        return (*owned).to_owned();
    }
    match inner {
        Type::Slice(slice) => format!("Vec<{}>", as_written(&slice.elem)),
        Type::TraitObject(_) => "a type that can be stored".to_owned(),
        _ => as_written(inner),
    }
}

/// Returns the type as people write it. `to_string` of its tokens would put a space around each of them.
pub(crate) fn as_written(ty: &Type) -> String {
    let mut text = String::new();
    for part in ty.to_token_stream().to_string().split(' ') {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let needs_space =
            text.ends_with([',', ';']) || (text.ends_with(is_word) && part.starts_with(is_word));
        if needs_space {
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
    fn types_are_recognised_by_the_last_segment_of_their_path() {
        let context = |ty: Type| is_named(&ty, "TaskContext");
        assert!(context(parse_quote!(TaskContext)));
        assert!(context(parse_quote!((omniq::TaskContext))));
        assert!(!context(parse_quote!(TaskContext<u8>)));
        let state = |ty: Type| type_argument_of(&ty, "State").map(as_written);
        assert_eq!(
            state(parse_quote!(omniq::State<Pool<Db>>)).unwrap(),
            "Pool<Db>"
        );
        assert_eq!(state(parse_quote!(State<A, B>)), None);
        assert_eq!(state(parse_quote!(State)), None);
        assert_eq!(state(parse_quote!([State<A>; 2])), None);
    }

    #[test]
    fn each_reference_has_an_owned_type() {
        let instead = |reference: TypeReference| owned_type(&reference);
        assert_eq!(instead(parse_quote!(&str)), "String");
        assert_eq!(instead(parse_quote!(&'static std::path::Path)), "PathBuf");
        assert_eq!(instead(parse_quote!(&[u8])), "Vec<u8>");
        assert_eq!(
            instead(parse_quote!(&mut HashMap<String, u8>)),
            "HashMap<String, u8>"
        );
    }

    #[test]
    fn tokens_are_found_at_any_depth() {
        assert!(contains(&parse_quote!(Vec<(u8, impl Copy)>), "impl"));
        assert!(contains(&parse_quote!(Vec<&str>), "&"));
        assert!(!contains(&parse_quote!(Vec<Implied>), "impl"));
        assert!(borrows(&parse_quote!(Vec<(u8, Frame<'_>)>)));
        assert!(!borrows(&parse_quote!(Cow<'static, str>)));
    }
}
