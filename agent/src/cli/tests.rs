//! Help texts as they are, and arguments that make no sense.

use clap::CommandFactory as _;

use super::*;

#[track_caller]
fn check_age(text: &str, seconds: Option<u64>) {
    assert_eq!(age(text).ok(), seconds.map(Duration::from_secs));
}

#[track_caller]
fn check_refused(arguments: &[&str]) {
    let arguments = std::iter::once("tabpool").chain(arguments.iter().copied());
    Cli::try_parse_from(arguments).unwrap_err();
}

#[test]
fn help() {
    let mut text = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut pending = vec![command];
    while let Some(mut command) = pending.pop() {
        let help = command.render_help();
        text += &format!("=== {} ===\n{help}\n", command.get_bin_name().unwrap_or("tabpool"));
        let subcommands =
            command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        pending.extend(subcommands.cloned().collect::<Vec<_>>().into_iter().rev());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn ages() {
    check_age("90m", Some(5400));
    check_age("30d", Some(2_592_000));
    check_age("2w", Some(1_209_600));
    check_age("0h", Some(0));
    check_age("30", None);
    check_age("d", None);
    check_age("-1d", None);
    check_age("1.5h", None);
    check_age("99999999999999999999d", None);
    check_age("1é", None);
}

#[test]
fn nonsense_is_refused() {
    check_refused(&["bench", "--backend", "cuda"]);
    check_refused(&["bench", "--runs", "0"]);
    check_refused(&["bench", "--peer", "transformers"]);
    check_refused(&["bench", "--webgpu-variant", "tiled-7x7"]);
    check_refused(&["bench", "--ab", "old", "new", "--profile"]);
    check_refused(&["bench", "--ab", "old", "new", "--trace", "file"]);
    check_refused(&["tune", "--budget", "0"]);
    check_refused(&["serve", "--port", "70000"]);
    check_refused(&["history", "--since", "yesterday"]);
    check_refused(&[]);
}
