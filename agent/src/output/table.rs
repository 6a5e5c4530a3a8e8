//! Tables without borders: a header, aligned columns, nothing else.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, presets};

use crate::output::Printer;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// What a cell means, beyond its words; shown as colour where that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// As it should be.
    Good,
    /// Needs attention.
    Bad,
    /// Less important than its neighbours.
    Faint,
}

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    table: comfy_table::Table,
    colour: bool,
}

impl Table {
    /// An empty table that suits the printer's standard output.
    pub(crate) fn new(printer: &Printer, columns: &[Column]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        let arrangement = if printer.stdout_is_terminal() {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        };
        table.set_content_arrangement(arrangement);
        let colour = printer.stdout_colour();
        table.set_header(columns.iter().map(|column| {
            let (Column::Left(title) | Column::Right(title)) = column;
            let cell = Cell::new(title);
            if colour { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
        }));
        for (index, column) in columns.iter().enumerate() {
            if let Some(settings) = table.column_mut(index) {
                settings.set_padding((if index == 0 { 0 } else { 2 }, 0));
                if matches!(column, Column::Right(_)) {
                    settings.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self { table, colour }
    }

    /// Adds a row of cells with their tones.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        let colour = self.colour;
        self.table.add_row(cells.into_iter().map(|(text, tone)| {
            let cell = Cell::new(text);
            match tone {
                Tone::Good if colour => cell.fg(Color::Green),
                Tone::Bad if colour => cell.fg(Color::Red),
                Tone::Faint if colour => cell.add_attribute(comfy_table::Attribute::Dim),
                Tone::Plain | Tone::Good | Tone::Bad | Tone::Faint => cell,
            }
        }));
    }

    /// Adds a row of plain cells.
    pub(crate) fn plain_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.row(cells.into_iter().map(|text| (text, Tone::Plain)));
    }

    /// The finished table, without spaces at the ends of lines.
    pub(crate) fn render(&self) -> String {
        self.table.trim_fmt()
    }
}
