//! The verdict of the gate for people, pull requests and machines.

use serde_json::{Value, json};

use super::outcome_words;
use crate::analysis::gate::{Against, Compared, Decision, Outcome, Unit, Verdict};
use crate::commands::dash;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};

/// A verdict with its context.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// What was measured, in words.
    pub(crate) candidate: String,
    /// What it was compared with, in words.
    pub(crate) baseline: String,
    /// Where.
    pub(crate) machine: String,
    /// Why the comparison may be unfair, in words.
    pub(crate) doubt: Option<String>,
    /// How it was compared, in words.
    pub(crate) method: &'static str,
    /// Campaigns of the candidate; of builds in turns, none.
    pub(crate) n_candidates: usize,
    /// Cases whose baseline is on another machine.
    pub(crate) n_elsewhere: usize,
    /// The comparison.
    pub(crate) verdict: &'a Verdict,
}

impl Report<'_> {
    /// One sentence.
    fn headline(&self) -> String {
        let n = |outcome: Outcome| self.verdict.compared.iter().filter(|one| one.outcome == outcome).count();
        let counts: Vec<String> = [
            Outcome::Broken,
            Outcome::Slower,
            Outcome::Faster,
            Outcome::Unchanged,
            Outcome::NotEnoughData,
            Outcome::New,
        ]
        .into_iter()
        .filter(|outcome| n(*outcome) > 0)
        .map(|outcome| format!("{} {}", n(outcome), outcome_words(outcome)))
        .collect();
        let word = match self.verdict.decision {
            Decision::Pass => "pass",
            Decision::Fail => "fail",
            Decision::NotEnoughData => "not enough data",
        };
        let counts = if counts.is_empty() { "nothing measured".to_owned() } else { counts.join(", ") };
        format!("{word}: {} against {}: {counts}", self.candidate, self.baseline)
    }

    /// Says how many cases cannot be compared because their baseline is on another machine.
    pub(super) fn elsewhere(&self) -> Option<String> {
        (self.n_elsewhere > 0).then(|| {
            let n = quantity::plural(self.n_elsewhere, "case");
            format!("{n} have a baseline only on another machine, which is no baseline")
        })
    }

    /// What limits the verdict, in sentences.
    fn remarks(&self) -> Vec<String> {
        self.doubt.clone().into_iter().chain(self.elsewhere()).collect()
    }

    /// What to do about the verdict, where there is something.
    pub(super) fn advice(&self) -> Option<String> {
        let compared = &self.verdict.compared;
        let by_campaigns = compared.iter().any(|one| one.missing == Unit::Campaign);
        let is_slower = compared.iter().any(|one| one.outcome == Outcome::Slower);
        let together = "measure the same build once more and judge its campaigns together with --campaign";
        let is_alone = self.n_candidates == 1 && is_slower;
        match self.verdict.decision {
            Decision::Pass => None,
            Decision::Fail => is_alone.then(|| format!("one campaign may be off as a whole: {together}")),
            Decision::NotEnoughData if compared.iter().all(|one| one.outcome == Outcome::New) => {
                Some("nothing to compare with yet: measure again with `tabpool bench`".to_owned())
            }
            Decision::NotEnoughData if by_campaigns => {
                Some(format!("{together}, or ask only for larger regressions with --fail-on"))
            }
            Decision::NotEnoughData => None,
        }
    }

    /// The headline, a table, and what to do where the data does not suffice.
    pub(super) fn text(&self, printer: &Printer) -> String {
        let columns = [
            Column::left("model"),
            Column::left("case").optional(3),
            Column::left("browser"),
            Column::right("baseline").optional(2),
            Column::right("candidate"),
            Column::right("change"),
            Column::right("95 % interval").optional(4),
            Column::right("n").optional(5),
            Column::right("detectable").optional(6),
            Column::left("outcome"),
        ];
        let mut table = Table::new(printer, &columns);
        for one in &self.verdict.compared {
            let tone = match one.outcome {
                Outcome::Slower | Outcome::Broken => Tone::Bad,
                Outcome::Faster => Tone::Good,
                Outcome::Unchanged => Tone::Plain,
                Outcome::NotEnoughData | Outcome::New => Tone::Faint,
            };
            table.row([
                (one.series.model.clone(), Tone::Plain),
                (one.series.case.clone(), Tone::Faint),
                (one.series.place(), Tone::Plain),
                (time(one.baseline_micros), Tone::Plain),
                (time(one.candidate_micros), Tone::Plain),
                (change(one), Tone::Plain),
                (bounds(one), Tone::Faint),
                (n_runs(one), Tone::Faint),
                (one.detectable.map_or_else(dash, quantity::percent), Tone::Faint),
                (outcome(one), tone),
            ]);
        }
        format!("{}\n\n{}", self.headline(), table.render())
    }

    /// The whole verdict as one document.
    pub(super) fn json(&self) -> Value {
        json!({
            "schema": wire::SCHEMA,
            "candidate": self.candidate,
            "baseline": self.baseline,
            "machine": self.machine,
            "doubt": self.doubt,
            "n_with_baseline_on_another_machine": self.n_elsewhere,
            "verdict": self.verdict,
        })
    }

    /// A comment for a pull request: the changes first, everything else folded.
    pub(super) fn markdown(&self) -> String {
        let sign = match self.verdict.decision {
            Decision::Pass => "✅",
            Decision::Fail => "❌",
            Decision::NotEnoughData => "❔",
        };
        let is_news =
            |one: &&Compared| matches!(one.outcome, Outcome::Slower | Outcome::Faster | Outcome::Broken);
        let (news, rest): (Vec<&Compared>, Vec<&Compared>) = self.verdict.compared.iter().partition(is_news);
        let mut text = format!("### {sign} tabpool gate: {}\n", escape_markdown(&self.headline()));
        if !news.is_empty() {
            text += &format!("\n{}", markdown_table(&news));
        }
        if !rest.is_empty() {
            let summary = format!("{} without a change", quantity::plural(rest.len(), "case"));
            text += &format!(
                "\n<details><summary>{summary}</summary>\n\n{}\n</details>\n",
                markdown_table(&rest)
            );
        }
        text += &format!(
            "\nWarm medians on {}. Fails on regressions from {} up that are {}. *Detectable* is the smallest change that \
             these campaigns find in 80 % of cases; *unchanged* is what cannot, with 97.5 % confidence, be slower by as much as \
             fails.",
            escape_markdown(&self.machine),
            self.verdict.fail_on,
            self.method
        );
        for remark in self.remarks() {
            text += &format!("\n\n⚠ {}", escape_markdown(&remark));
        }
        text
    }

    /// JUnit XML: a regression is a failed test, one without enough data a skipped one.
    pub(super) fn junit(&self) -> String {
        let compared = &self.verdict.compared;
        let n_failures = compared.iter().filter(|one| self.is_failure(one)).count();
        let n_skipped = compared.iter().filter(|one| is_skipped(one)).count();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"tabpool gate\" tests=\"{}\" \
             failures=\"{n_failures}\" errors=\"0\" skipped=\"{n_skipped}\">\n",
            compared.len()
        );
        for one in compared {
            let seconds = one.candidate_micros.unwrap_or(0.0) / 1e6;
            text += &format!(
                "    <testcase classname=\"{}\" name=\"{} {}\" time=\"{seconds:.6}\"",
                escape_xml(&one.series.model),
                escape_xml(&one.series.case),
                escape_xml(&one.series.place()),
            );
            let message = escape_xml(&sentence(one));
            if self.is_failure(one) {
                text += &format!(
                    ">\n      <failure type=\"regression\" message=\"{message}\"/>\n    </testcase>\n"
                );
            } else if is_skipped(one) {
                text += &format!(">\n      <skipped message=\"{message}\"/>\n    </testcase>\n");
            } else {
                text += &format!(">\n      <system-out>{message}</system-out>\n    </testcase>\n");
            }
        }
        for remark in self.remarks() {
            text += &format!("    <system-err>{}</system-err>\n", escape_xml(&remark));
        }
        text + "  </testsuite>\n</testsuites>"
    }

    /// SARIF 2.1.0 with one result for each regression.
    pub(super) fn sarif(&self) -> Value {
        let is_regression = |one: &&Compared| matches!(one.outcome, Outcome::Slower | Outcome::Broken);
        let result = |one: &Compared| {
            let name = format!("{}/{}/{}", one.series.model, one.series.case, one.series.place());
            json!({
                "ruleId": if one.outcome == Outcome::Broken { "broken" } else { "slower" },
                "level": if self.is_failure(one) { "error" } else { "warning" },
                "message": { "text": sentence(one) },
                "locations": [{ "logicalLocations": [{ "fullyQualifiedName": name, "kind": "resource" }] }],
                "partialFingerprints": { "series/v1": name },
            })
        };
        let notification = |text: String| json!({ "level": "warning", "message": { "text": text } });
        let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "tabpool gate",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": [
                        rule("slower", "A model is significantly slower than its baseline"),
                        rule("broken", "A model that used to run fails"),
                    ],
                }},
                "invocations": [{
                    "executionSuccessful": true,
                    "toolExecutionNotifications": self.remarks().into_iter().map(notification).collect::<Vec<_>>(),
                }],
                "results": self.verdict.compared.iter().filter(is_regression).map(result).collect::<Vec<_>>(),
            }],
        })
    }

    fn is_failure(&self, one: &Compared) -> bool {
        let fail_on = super::SEVERITIES
            .into_iter()
            .find(|severity| crate::analysis::severity_name(*severity) == self.verdict.fail_on);
        fail_on.is_some_and(|fail_on| one.fails(fail_on))
    }
}

fn is_skipped(one: &Compared) -> bool {
    matches!(one.outcome, Outcome::NotEnoughData | Outcome::New)
}

/// One comparison in words.
fn sentence(one: &Compared) -> String {
    let name = format!(
        "{} {} ({}) on {}",
        one.series.model,
        one.series.case,
        one.series.precision,
        one.series.place()
    );
    let numbers = match (one.baseline_micros, one.candidate_micros) {
        (Some(baseline), Some(candidate)) if one.ratio.is_some() => format!(
            "; median {} → {}, {} (95 %: {}), of {} runs",
            quantity::micros(baseline),
            quantity::micros(candidate),
            change(one),
            bounds(one),
            n_runs(one)
        ),
        _ => String::new(),
    };
    format!("{name}: {}{numbers}", outcome(one))
}

/// Runs of the baseline, in how many campaigns or launches, and of the candidate.
fn n_runs(one: &Compared) -> String {
    let groups =
        if one.n_baseline_groups > 1 { format!(" in {}", one.n_baseline_groups) } else { String::new() };
    format!("{}{groups} + {}", one.n_baseline, one.n_candidate)
}

fn outcome(one: &Compared) -> String {
    let mut text = outcome_words(one.outcome).to_owned();
    if let Some(graded) = one.graded {
        text += &format!(": {}", graded.words());
    }
    if one.against == Against::FirstGood {
        text += " than the first good campaigns";
    }
    if one.outcome == Outcome::NotEnoughData && one.n_missing > 0 {
        text += &format!(": {}", missing(one));
    } else if one.outcome == Outcome::Broken {
        text += &format!(": {} failed", quantity::plural(one.n_failed, "run"));
    } else if one.n_failed > 0 {
        text += &format!("; {} failed", quantity::plural(one.n_failed, "run"));
    }
    for warning in &one.warnings {
        text += &format!("; {warning}");
    }
    text
}

fn missing(one: &Compared) -> String {
    match one.missing {
        Unit::Run => format!("{} a side", quantity::plural(one.n_missing, "more run")),
        Unit::Campaign => format!("{} a side", quantity::plural(one.n_missing, "more campaign")),
        Unit::Launch => format!("{} more launches", one.n_missing),
    }
}

fn time(micros: Option<f64>) -> String {
    micros.map_or_else(dash, quantity::micros)
}

fn change(one: &Compared) -> String {
    one.ratio.map_or_else(dash, |ratio| quantity::signed_percent(ratio - 1.0))
}

fn bounds(one: &Compared) -> String {
    let words = |[low, high]: [f64; 2]| {
        format!("{} to {}", quantity::signed_percent(low - 1.0), quantity::signed_percent(high - 1.0))
    };
    one.ratio_interval.map_or_else(dash, words)
}

fn markdown_table(compared: &[&Compared]) -> String {
    let mut text =
        "| model | case | browser | baseline | candidate | change (95 %) | n | detectable | outcome |\n\
                    | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n"
            .to_owned();
    for one in compared {
        let cells = [
            one.series.model.clone(),
            one.series.case.clone(),
            one.series.place(),
            time(one.baseline_micros),
            time(one.candidate_micros),
            format!("{} ({})", change(one), bounds(one)),
            n_runs(one),
            one.detectable.map_or_else(dash, quantity::percent),
            outcome(one),
        ];
        text += &format!("| {} |\n", cells.map(|cell| escape_markdown(&cell)).join(" | "));
    }
    text
}

fn escape_markdown(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
