//! Tests of the known failures: each kind of surprise is reported.

use super::*;

fn row(case: &str, verdict: Verdict) -> Row {
    Row { case: case.to_owned(), operator: "Abs".to_owned(), verdict }
}

#[track_caller]
fn check(rows: &[Row], expected: &[&str]) {
    let failure =
        Failure { cases: vec!["known".to_owned()], backends: Vec::new(), reason: "it is hard".to_owned() };
    let expectations = Expectations {
        operators: vec!["Abs".to_owned()],
        first_output: Vec::new(),
        left_out: Vec::new(),
        failure: vec![failure],
    };
    assert_eq!(expectations.surprises(Backend::Wasm, rows), expected);
}

#[test]
fn only_surprises_are_reported() {
    let fail = || Verdict::Fail("wrong".to_owned());
    check(&[row("known", fail()), row("other", Verdict::Pass)], &[]);
    check(&[row("known", fail()), row("other", Verdict::Unsupported("no".to_owned()))], &[]);
    check(&[row("known", fail()), row("other", fail())], &["other fails: wrong"]);
    check(&[row("known", Verdict::Pass)], &["known is a known failure, but is Pass now"]);
    check(&[row("other", Verdict::Pass)], &["known is a known failure, but there is no such case"]);
    check(&[], &["known is a known failure, but there is no such case", "operator Abs has no case"]);
}

#[test]
fn tables_are_compared_line_by_line() {
    assert_eq!(changes("a\nb\n", "a\nb\n"), [""; 0]);
    assert_eq!(changes("a\nb\n", "a\nc\n"), ["- b", "+ c"]);
}

#[test]
fn sections_are_replaced_one_by_one() {
    let table = "# Operators\n\n## wasm\n\na\n\n## webnn\n\nb\n";
    assert_eq!(section_of(table, Backend::Wasm), "## wasm\n\na\n\n");
    assert_eq!(section_of(table, Backend::Webnn), "## webnn\n\nb\n");
    assert_eq!(section_of(table, Backend::Webgpu), "");
    let check = |backend, section: &str, expected: &str| {
        assert_eq!(with_section(table, backend, section), expected);
    };
    check(Backend::Wasm, "## wasm\n\nc\n", "# Operators\n\n## wasm\n\nc\n\n## webnn\n\nb\n");
    check(Backend::Webnn, "## webnn\n\nc\n", "# Operators\n\n## wasm\n\na\n\n## webnn\n\nc\n");
    check(Backend::Webgpu, "## webgpu\n\nc\n", &format!("{table}\n## webgpu\n\nc\n"));
}
