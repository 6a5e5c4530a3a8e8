//! Fields that need quotes.

use super::*;

#[track_caller]
fn check(fields: &[&str], expected: &str) {
    assert_eq!(record(fields.iter().copied()), expected);
}

#[test]
fn quotes_where_needed() {
    check(&["a", "", "b c"], "a,,b c");
    check(&["a,b", "say \"x\"", "two\nlines"], "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"");
}
