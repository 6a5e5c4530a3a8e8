//! Rows in both formats, and that they are what the schema says.

use super::*;
use crate::testing::{add_synthetic_campaign, record};
use wire::RunRecord;

fn lines(format: ExportFormat) -> Vec<String> {
    let store = Store::in_memory().unwrap();
    add_synthetic_campaign(&store, "words, with a comma", 0, &[("tiny", &[900.0])]);
    store.insert(&[RunRecord { session: None, case: None, ..record("big", 9, 7) }], 0).unwrap();
    let mut lines = Vec::new();
    let n_rows = rows(&store, &Filter::default(), format, |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    assert_eq!(n_rows.unwrap(), 2);
    lines
}

#[test]
fn csv() {
    // Only root's browsers run without a sandbox.
    let rows = lines(ExportFormat::Csv).join("\n").replace(" --no-sandbox", "");
    insta::assert_snapshot!(rows);
}

#[test]
fn json_rows_are_what_the_schema_says() {
    let schema = row_schema();
    for line in lines(ExportFormat::Json) {
        let row: Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(row.len(), column_names().len());
        for (name, value) in &row {
            let kind = match value {
                Value::Null => "null",
                Value::String(_) => "string",
                Value::Number(number) if number.is_i64() => "integer",
                Value::Number(_) => "number",
                Value::Bool(_) | Value::Array(_) | Value::Object(_) => "another type",
            };
            let allowed = schema["properties"][name]["type"].as_array().unwrap();
            assert!(allowed.iter().any(|allowed| allowed == kind), "{name}: {value}");
        }
    }
}
