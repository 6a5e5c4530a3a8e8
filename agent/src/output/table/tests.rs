//! Tables at several widths.

use super::*;

#[track_caller]
fn check(width: Option<u16>, expected: &[&str]) {
    let columns = [
        Column::left("name"),
        Column::left("kind").optional(1),
        Column::right("n").optional(2),
        Column::right("time"),
    ];
    let mut table = Table::new(&Printer::plain(), &columns);
    table.width = width;
    table.plain_row(["a", "long kind", "1", "9.81 ms"].map(str::to_owned));
    table.plain_row(["bb", "", "20", "120 ms"].map(str::to_owned));
    assert_eq!(table.render().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn columns_go_by_rank_when_there_is_no_room() {
    let whole = [
        "name  kind        n     time", //
        "a     long kind   1  9.81 ms",
        "bb               20   120 ms",
    ];
    check(None, &whole);
    check(Some(28), &whole);
    check(
        Some(27),
        &[
            "name  kind          time",
            "a     long kind  9.81 ms",
            "bb                120 ms",
            "(a wider terminal also shows: n)",
        ],
    );
    let least = [
        "name     time", //
        "a     9.81 ms",
        "bb     120 ms",
        "(a wider terminal also shows: kind, n)",
    ];
    check(Some(23), &least);
    check(Some(1), &least);
}
