//! A task as it was parsed: the function, its parameters and the options of the attribute.

use proc_macro2::Ident;
use syn::{ReturnType, Type, parse_quote};

use crate::function::Function;
use crate::options::Options;
use crate::parameters::{Argument, Parameter};
use crate::problems::Problems;
use crate::unique_key;

pub(crate) struct Task {
    pub(crate) function: Function,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) options: Options,
}

impl Task {
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|p| match p {
            Parameter::Argument(argument) => Some(argument),
            Parameter::Context | Parameter::State(_) => None,
        })
    }

    pub(crate) fn function_name(&self) -> &Ident {
        &self.function.signature.ident
    }

    /// Returns the name of the type that is generated beside the function.
    pub(crate) fn type_name(&self) -> &Ident {
        self.options.order.as_ref().unwrap_or(self.function_name())
    }

    pub(crate) fn output(&self) -> Type {
        match &self.function.signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// Checks that the unique key names only arguments of this task.
    pub(crate) fn check_unique_key(&self, problems: &mut Problems) {
        if let Some(key) = &self.options.unique_key {
            let names: Vec<String> = self.arguments().map(Argument::unraw_name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            problems.ok_or_record(unique_key::check(key, &names));
        }
    }
}
