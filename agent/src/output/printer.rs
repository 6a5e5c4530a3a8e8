//! The only place that prints: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::exit;

/// Colours used in text; meaning is always in the words too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Something is wrong.
    Red,
    /// Something deserves attention.
    Yellow,
    /// A next step.
    Cyan,
}

impl Paint {
    fn wrap(self, text: &str) -> String {
        let code = match self {
            Self::Red => 31,
            Self::Yellow => 33,
            Self::Cyan => 36,
        };
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    }
}

/// Prints for one invocation of the program.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    json: bool,
    stdout_width: Option<u16>,
    stdout_colour: bool,
    stderr_colour: bool,
    progress: MultiProgress,
}

impl Printer {
    /// A printer for this process's standard streams; `json` replaces tables by one document.
    pub(crate) fn new(json: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        let target =
            if stderr_is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            json,
            stdout_width: if stdout_is_terminal { comfy_table::Table::new().width() } else { None },
            stdout_colour: stdout_is_terminal && !no_colour,
            stderr_colour: stderr_is_terminal && !no_colour,
            progress: MultiProgress::with_draw_target(target),
        }
    }

    /// A printer for no terminal at all, wherever the tests run.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            json: false,
            stdout_width: None,
            stdout_colour: false,
            stderr_colour: false,
            progress: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        }
    }

    /// True when the caller wants one JSON document instead of tables.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Characters in a line of standard output, when that is a terminal.
    pub(crate) fn stdout_width(&self) -> Option<u16> {
        self.stdout_width
    }

    /// True when text for standard output may carry colour.
    pub(crate) fn stdout_colour(&self) -> bool {
        self.stdout_colour
    }

    /// A result, on standard output.
    pub(crate) fn result(&self, text: &str) {
        self.progress.suspend(|| write_line(io::stdout().lock(), text));
    }

    /// A result as one line of JSON, on standard output.
    pub(crate) fn document(&self, document: &impl Serialize) -> serde_json::Result<()> {
        let text = serde_json::to_string(document)?;
        self.result(&text);
        Ok(())
    }

    /// What is going on.
    pub(crate) fn note(&self, text: &str) {
        self.progress.suspend(|| write_line(io::stderr().lock(), text));
    }

    /// Something that may spoil the result.
    pub(crate) fn warning(&self, text: &str) {
        self.labelled("warning", Paint::Yellow, text);
    }

    /// The next thing to try.
    pub(crate) fn hint(&self, text: &str) {
        self.labelled("hint", Paint::Cyan, text);
    }

    /// Why the command failed, outermost cause first, and its hint.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.labelled("error", Paint::Red, &format!("{error:#}"));
        if let (_, Some(hint)) = exit::verdict(error) {
            self.hint(hint);
        }
    }

    /// Help, version or a usage error, as clap words it.
    pub(crate) fn usage(&self, error: &clap::Error) {
        // A closed standard stream leaves nobody to tell.
        error.print().ok();
    }

    /// A bar over `length` steps on standard error; invisible when that is no terminal.
    pub(crate) fn bar(&self, length: u64) -> ProgressBar {
        let template = "{prefix:>16} {bar:30} {pos:>3}/{len} {wide_msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.progress.add(ProgressBar::new(length)).with_style(style.progress_chars("━╸ "))
    }

    fn labelled(&self, label: &str, paint: Paint, text: &str) {
        let label = format!("{label}:");
        let label = if self.stderr_colour { paint.wrap(&label) } else { label };
        self.note(&format!("{label} {text}"));
    }
}

/// Writes and flushes one line. A reader that went away (`tabpool … | head`) is no error.
fn write_line(mut stream: impl Write, text: &str) {
    writeln!(stream, "{text}").and_then(|()| stream.flush()).ok();
}
