//! `tabpool model plan`: what a backend does to run a model on inputs of given shapes.

mod wasm;
mod webgpu;
mod webnn;

use std::collections::BTreeMap;

use anyhow::Context as _;
use model::{Dim, Fact, Model};
use serde::Serialize;
use wire::Backend;

use crate::commands::model::inspect::read;
use crate::exit::Failure;
use crate::output::Printer;
use crate::zoo::{Cache, Zoo};

/// What the documents of all backends begin with.
#[derive(Debug, Serialize)]
struct Head<'a> {
    schema: u32,
    model: &'a str,
    backend: &'static str,
    /// Lengths of the dimensions that the file leaves open.
    shape: &'a BTreeMap<String, usize>,
}

/// Prints the plan of the model of that name, or of the file at that path.
pub(super) fn run(
    model: &str,
    given: &[(String, usize)],
    backend: Backend,
    (zoo, cache): (&Zoo, &Cache),
    printer: &Printer,
) -> anyhow::Result<()> {
    let bytes = read(model, zoo, cache)?;
    let cannot = || Failure::environment(format!("cannot plan {model}"));
    let loaded = Model::load(&bytes).with_context(cannot)?;
    let (facts, shape) = facts(&loaded, given)?;
    let plan = loaded.plan(&facts).with_context(cannot)?;
    let head = Head { schema: wire::SCHEMA, model, backend: backend.as_str(), shape: &shape };
    match backend {
        Backend::Wasm => wasm::show(head, &plan, printer),
        Backend::Webgpu => webgpu::show(head, &plan, printer),
        Backend::Webnn | Backend::WebnnGpu | Backend::WebnnNpu => webnn::show(head, &plan, printer),
    }
}

/// Parses `NAME=LENGTH`.
pub(crate) fn parse_dimension(text: &str) -> Result<(String, usize), String> {
    let (name, length) = text.split_once('=').ok_or("it is not NAME=LENGTH")?;
    match length.trim().parse() {
        Ok(length) => Ok((name.trim().to_owned(), length)),
        Err(_) => Err(format!("{length:?} is not a length")),
    }
}

/// Types and shapes of the inputs, and the length of every dimension that the file leaves open.
///
/// A dimension has the name that the file gives it, or else the input's name with the axis, e.g. `x.2`. A given name also
/// stands for the one name that begins with it.
fn facts(model: &Model, given: &[(String, usize)]) -> anyhow::Result<(Vec<Fact>, BTreeMap<String, usize>)> {
    let open = |input: &str, axis: usize, dim: &Dim| match dim {
        Dim::Fixed(_) => None,
        Dim::Symbolic(name) => Some(name.clone()),
        Dim::Unknown => Some(format!("{input}.{axis}")),
    };
    let mut names: Vec<String> = Vec::new();
    for input in model.inputs() {
        let dims = input.dims.iter().flatten().enumerate();
        for name in dims.filter_map(|(axis, dim)| open(&input.name, axis, dim)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut shape: BTreeMap<String, usize> = BTreeMap::new();
    for (wanted, length) in given {
        let exact = names.iter().find(|name| *name == wanted);
        let mut starts = names.iter().filter(|name| name.starts_with(wanted));
        let name = match (exact, starts.next(), starts.next()) {
            (Some(name), _, _) | (None, Some(name), None) => name,
            (None, _, _) => return Err(wrong_shape(format!("no dimension is {wanted:?}"), &names)),
        };
        shape.insert(name.clone(), *length);
    }
    if let Some(missing) = names.iter().find(|name| !shape.contains_key(*name)) {
        return Err(wrong_shape(format!("the length of {missing:?} is not given"), &names));
    }
    let fact = |input: &&model::ValueContract| {
        let length = |(axis, dim): (usize, &Dim)| match dim {
            Dim::Fixed(length) => *length as usize,
            Dim::Symbolic(_) | Dim::Unknown => {
                open(&input.name, axis, dim).and_then(|name| shape.get(&name).copied()).unwrap_or(1)
            }
        };
        let dims = input.dims.as_ref().with_context(|| {
            Failure::environment(format!("the file does not say the rank of {}", input.name))
        })?;
        let dtype = input.dtype.and_then(model::DType::for_element);
        let dtype = dtype.with_context(|| format!("{} has a type that plans lack", input.name))?;
        Ok(Fact::new(dtype, dims.iter().enumerate().map(length).collect()))
    };
    let facts = model.inputs().iter().map(fact).collect::<anyhow::Result<_>>()?;
    Ok((facts, shape))
}

fn wrong_shape(message: String, names: &[String]) -> anyhow::Error {
    let example: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
    let hint = if names.is_empty() {
        "every dimension of this model is fixed: leave out --shape".to_owned()
    } else {
        format!("give each of them: --shape {}", example.join(","))
    };
    Failure::usage(message).hint(hint).into()
}

#[cfg(test)]
mod tests;
