//! The table of operators that the wasm backend runs, and the list of failures that are known.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::cast_case;
use crate::node_case::{self, NodeCase};
use crate::verdict::Verdict;

/// `tests/node_cases.toml`: which operators are tried, and which of their cases are known to fail.
#[derive(Debug, Deserialize)]
pub struct Expectations {
    /// Operators of the zoo and their near relatives.
    pub operators: Vec<String>,
    /// Those whose cases are also tried with their first output only.
    #[serde(default)]
    pub first_output: Vec<String>,
    /// Cases that fail today.
    #[serde(default)]
    pub failure: Vec<Failure>,
}

/// Cases that fail for one reason.
#[derive(Debug, Deserialize)]
pub struct Failure {
    /// Names of the cases.
    pub cases: Vec<String>,
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
    /// The package is damaged.
    pub fn cases(&self, package: Vec<u8>) -> Result<Vec<NodeCase>> {
        let listed = |list: &[String], operator: &str| list.iter().any(|name| name == operator);
        let mut cases = node_case::read_all(package, |operator| listed(&self.operators, operator))?;
        let several = cases.iter().filter(|case| listed(&self.first_output, &case.operator));
        let twins = several.map(NodeCase::first_output).collect::<Result<Vec<_>>>()?;
        cases.extend(twins.into_iter().flatten());
        cases.extend(cast_case::cases()?);
        Ok(cases)
    }

    /// What is not as expected, one line each: a failure that is not known, a known failure that passes, a known failure
    /// that did not run.
    #[must_use]
    pub fn surprises(&self, rows: &[Row]) -> Vec<String> {
        let mut surprises = Vec::new();
        for row in rows {
            match (&row.verdict, self.reason(&row.case)) {
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

    fn reason(&self, case: &str) -> Option<&str> {
        let failure = self.failure.iter().find(|failure| failure.cases.iter().any(|name| name == case));
        failure.map(|failure| failure.reason.as_str())
    }

    /// The table as Markdown: counts per operator, then why cases do not pass.
    #[must_use]
    pub fn table(&self, rows: &[Row]) -> String {
        let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        let mut reasons: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for row in rows {
            let (column, verdict, why) = match &row.verdict {
                Verdict::Pass => (0, "pass", ""),
                Verdict::Unsupported(why) => (1, "unsupported", why.as_str()),
                Verdict::Fail(why) => (2, "fail", self.reason(&row.case).unwrap_or(why)),
            };
            counts.entry(&row.operator).or_default()[column] += 1;
            if row.verdict != Verdict::Pass {
                *reasons.entry((&row.operator, verdict, why)).or_default() += 1;
            }
        }
        let mut lines = vec![HEAD.to_owned()];
        let mut total = [0; 3];
        for (operator, [pass, unsupported, fail]) in counts {
            lines.push(format!("| {operator} | {pass} | {unsupported} | {fail} |"));
            total = [total[0] + pass, total[1] + unsupported, total[2] + fail];
        }
        let [pass, unsupported, fail] = total;
        lines.push(format!("| **all** | {pass} | {unsupported} | {fail} |\n\n{REASONS_HEAD}"));
        lines.extend(reasons.into_iter().map(|((operator, verdict, why), n_cases)| {
            format!("| {operator} | {verdict} | {n_cases} | {} |", why.replace('|', "\\|"))
        }));
        lines.join("\n") + "\n"
    }
}

/// Lines that only one of two tables has, marked as in a diff; empty when they are the same.
#[must_use]
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let only = |mark: &'static str, of: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        of.lines().filter(|line| !other.contains(line)).map(|line| format!("{mark} {line}")).collect()
    };
    [only("-", before, after), only("+", after, before)].concat()
}

const HEAD: &str = "# Operators on the wasm backend

Written by `UPDATE_OPERATORS=1 cargo test -p tabpool-tests --test node_cases`; the test fails when it no longer holds.
The cases are those of the `onnx` 1.17.0 package whose operator the zoo uses, and near relatives; casts between common
types, which that package lacks, are our own. Unsupported means that the engine refuses the model before anything runs.
The failing cases are listed in `node_cases.toml`.

| operator | pass | unsupported | fail |
| --- | ---: | ---: | ---: |";

const REASONS_HEAD: &str = "| operator | verdict | cases | why |
| --- | --- | ---: | --- |";

#[cfg(test)]
mod tests;
