//! Limits from the JSON of `opSupportLimits()`.

use std::collections::BTreeMap;

use model::webnn::{Layout, Limits, OperandLimits};
use serde_json::Value;

/// Reads the limits; what the browser does not mention is not limited.
#[must_use]
pub fn read_limits(json: &Value) -> Limits {
    let mut methods = BTreeMap::new();
    for (method, limits) in json.as_object().into_iter().flatten() {
        let Some(members) = limits.as_object() else { continue };
        let mut operands: BTreeMap<String, OperandLimits> = members
            .iter()
            .filter_map(|(name, limits)| Some((name.clone(), operand_limits(limits)?)))
            .collect();
        // The kinds of values of a graph have their limits themselves.
        operands.extend(operand_limits(limits).map(|limits| (String::new(), limits)));
        methods.insert(method.clone(), operands);
    }
    Limits {
        layout: if json["preferredInputLayout"] == "nhwc" { Layout::Nhwc } else { Layout::Nchw },
        max_tensor_bytes: json["maxTensorByteLength"].as_u64().unwrap_or(u64::MAX),
        methods: Some(methods),
    }
}

fn operand_limits(json: &Value) -> Option<OperandLimits> {
    let types = json["dataTypes"].as_array()?;
    let rank =
        |bound: &str, default: usize| json["rankRange"][bound].as_u64().map_or(default, |rank| rank as usize);
    Some(OperandLimits {
        types: types.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        ranks: [rank("min", 0), rank("max", usize::MAX)],
    })
}

#[cfg(test)]
mod tests;
