//! The table of operators that each backend runs, and the list of failures that are known.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use wire::Backend;

use crate::cast_case;
use crate::node_case::{self, NodeCase};
use crate::verdict::Verdict;

/// The table, with a section for each backend.
const TABLE: &str = "docs/operators.md";

/// `tests/node_cases.toml`: which operators are tried, and which of their cases are known to fail.
#[derive(Debug, Deserialize)]
pub struct Expectations {
    /// Operators whose cases are tried.
    pub operators: Vec<String>,
    /// Those whose cases are also tried with their first output only.
    #[serde(default)]
    pub first_output: Vec<String>,
    /// What the package has and is not tried.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Cases that fail today.
    #[serde(default)]
    pub failure: Vec<Failure>,
}

/// Operators or cases that are not tried for one reason.
#[derive(Debug, Deserialize)]
pub struct LeftOut {
    /// Why, for a reader.
    pub reason: String,
    /// Names of operators.
    #[serde(default)]
    pub operators: Vec<String>,
    /// Names of cases.
    #[serde(default)]
    pub cases: Vec<String>,
}

/// Cases that fail for one reason.
#[derive(Debug, Deserialize)]
pub struct Failure {
    /// Names of the cases.
    pub cases: Vec<String>,
    /// Where they fail; everywhere when it is empty.
    #[serde(default)]
    pub backends: Vec<Backend>,
    /// Why, for a reader.
    pub reason: String,
}

/// One case's result.
#[derive(Debug)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// Its operator.
    pub operator: String,
    /// How it ended.
    pub verdict: Verdict,
}

impl Row {
    /// The result of `case`.
    #[must_use]
    pub fn new(case: &NodeCase, verdict: Verdict) -> Self {
        Self { case: case.name.clone(), operator: case.operator.clone(), verdict }
    }
}

impl Expectations {
    /// The expectations in the repository.
    ///
    /// # Errors
    /// The file does not have the expected form.
    pub fn read() -> Result<Self> {
        toml::from_str(include_str!("../node_cases.toml")).context("tests/node_cases.toml")
    }

    /// The cases to try, out of the `onnx` package and our own.
    ///
    /// # Errors
    /// The package is damaged, or has an operator that the expectations do not mention.
    pub fn cases(&self, package: Vec<u8>) -> Result<Vec<NodeCase>> {
        let listed = |list: &[String], name: &str| list.iter().any(|one| one == name);
        let left_out =
            |operator: &str| self.left_out.iter().any(|left_out| listed(&left_out.operators, operator));
        let mut cases = node_case::read_all(package)?;
        for case in &cases {
            let operator = &case.operator;
            ensure!(
                listed(&self.operators, operator) != left_out(operator),
                "{operator} of {} is not in exactly one list of tests/node_cases.toml",
                case.name
            );
        }
        cases.retain(|case| {
            listed(&self.operators, &case.operator)
                && !self.left_out.iter().any(|left_out| listed(&left_out.cases, &case.name))
        });
        let several = cases.iter().filter(|case| listed(&self.first_output, &case.operator));
        let twins = several.map(NodeCase::first_output).collect::<Result<Vec<_>>>()?;
        cases.extend(twins.into_iter().flatten());
        cases.extend(cast_case::cases()?);
        Ok(cases)
    }

    /// Everything in which the results on a backend differ from what the repository says, one line each. With
    /// `UPDATE_OPERATORS` in the environment the backend's section of the table is written first.
    ///
    /// # Errors
    /// The table cannot be read or written.
    pub fn differences(&self, backend: Backend, rows: &[Row]) -> Result<Vec<String>> {
        let mut differences = self.surprises(backend, rows);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(TABLE);
        let section = self.section(backend, rows);
        let mut table = std::fs::read_to_string(&path).context(TABLE)?;
        if std::env::var_os("UPDATE_OPERATORS").is_some() {
            table = with_section(&table, backend, &section);
            std::fs::write(&path, &table).context(TABLE)?;
        }
        let changes = changes(section_of(&table, backend), &section);
        differences.extend(changes.into_iter().map(|change| format!("{TABLE}: {change}")));
        Ok(differences)
    }

    /// What is not as expected, one line each: a failure that is not known, a known failure that passes, a known failure
    /// that did not run.
    fn surprises(&self, backend: Backend, rows: &[Row]) -> Vec<String> {
        let mut surprises = Vec::new();
        for row in rows {
            match (&row.verdict, self.reason(backend, &row.case)) {
                (Verdict::Fail(reason), None) => surprises.push(format!("{} fails: {reason}", row.case)),
                (Verdict::Pass | Verdict::Unsupported(_), Some(_)) => {
                    surprises.push(format!("{} is a known failure, but is {:?} now", row.case, row.verdict));
                }
                (Verdict::Fail(_), Some(_)) | (Verdict::Pass | Verdict::Unsupported(_), None) => {}
            }
        }
        for case in self.failure.iter().flat_map(|failure| &failure.cases) {
            if !rows.iter().any(|row| row.case == *case) {
                surprises.push(format!("{case} is a known failure, but there is no such case"));
            }
        }
        for operator in &self.operators {
            if !rows.iter().any(|row| row.operator == *operator) {
                surprises.push(format!("operator {operator} has no case"));
            }
        }
        surprises
    }

    fn reason(&self, backend: Backend, case: &str) -> Option<&str> {
        let failure = self.failure.iter().find(|failure| {
            let is_here = failure.backends.is_empty() || failure.backends.contains(&backend);
            is_here && failure.cases.iter().any(|name| name == case)
        });
        failure.map(|failure| failure.reason.as_str())
    }

    /// A backend's section as Markdown: counts per operator, then why cases do not pass.
    fn section(&self, backend: Backend, rows: &[Row]) -> String {
        let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        let mut reasons: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for row in rows {
            let (column, verdict, why) = match &row.verdict {
                Verdict::Pass => (0, "pass", ""),
                Verdict::Unsupported(why) => (1, "refused", why.as_str()),
                Verdict::Fail(why) => (2, "fail", self.reason(backend, &row.case).unwrap_or(why)),
            };
            counts.entry(&row.operator).or_default()[column] += 1;
            if row.verdict != Verdict::Pass {
                *reasons.entry((&row.operator, verdict, why)).or_default() += 1;
            }
        }
        let n_passing = counts.values().filter(|[pass, ..]| *pass > 0).count();
        let n_failing = counts.values().filter(|[.., fail]| *fail > 0).count();
        let mut lines = vec![
            heading(backend),
            String::new(),
            format!(
                "Of {} operators {n_passing} pass in some form; {n_failing} fail in some form.",
                counts.len()
            ),
            String::new(),
            COUNTS_HEAD.to_owned(),
        ];
        let mut total = [0; 3];
        for (operator, [pass, refused, fail]) in counts {
            lines.push(format!("| {operator} | {pass} | {refused} | {fail} |"));
            total = [total[0] + pass, total[1] + refused, total[2] + fail];
        }
        let [pass, refused, fail] = total;
        lines.push(format!("| **all** | {pass} | {refused} | {fail} |\n\n{REASONS_HEAD}"));
        lines.extend(reasons.into_iter().map(|((operator, verdict, why), n_cases)| {
            format!("| {operator} | {verdict} | {n_cases} | {} |", why.replace('|', "\\|"))
        }));
        lines.join("\n") + "\n"
    }
}

fn heading(backend: Backend) -> String {
    format!("## {}", backend.as_str())
}

/// A backend's section of the table; empty when it has none.
fn section_of(table: &str, backend: Backend) -> &str {
    let heading = heading(backend) + "\n";
    let Some(start) = table.find(&heading) else { return "" };
    let rest = &table[start..];
    let end = rest[heading.len()..].find("\n## ").map_or(rest.len(), |end| heading.len() + end + 1);
    &rest[..end]
}

/// The table with a backend's section replaced, or added at its end.
fn with_section(table: &str, backend: Backend, section: &str) -> String {
    match section_of(table, backend) {
        "" => format!("{}\n\n{section}", table.trim_end()),
        // An empty line separates sections.
        old if table.ends_with(old) => table.replace(old, section),
        old => table.replace(old, &format!("{section}\n")),
    }
}

/// Lines that only one of two texts has, marked as in a diff; empty when they are the same.
fn changes(before: &str, after: &str) -> Vec<String> {
    let only = |mark: &'static str, of: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        of.lines().filter(|line| !other.contains(line)).map(|line| format!("{mark} {line}")).collect()
    };
    [only("-", before, after), only("+", after, before)].concat()
}

const COUNTS_HEAD: &str = "| operator | pass | refused | fail |
| --- | ---: | ---: | ---: |";

const REASONS_HEAD: &str = "| operator | verdict | cases | why |
| --- | --- | ---: | --- |";

#[cfg(test)]
mod tests;
