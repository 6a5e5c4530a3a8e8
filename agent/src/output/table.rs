//! Tables without borders: a header, aligned columns, and fewer columns where the terminal is narrow.

use comfy_table::{Attribute, Cell, CellAlignment, Color, presets};

use crate::output::Printer;

/// Spaces between columns.
const GAP: u16 = 2;

/// A column: its title, its alignment, and whether a narrow terminal may lose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    title: &'static str,
    alignment: CellAlignment,
    /// Columns with a rank may be left out, the highest rank first.
    rank: Option<u8>,
}

impl Column {
    /// A column of words.
    pub(crate) const fn left(title: &'static str) -> Self {
        Self { title, alignment: CellAlignment::Left, rank: None }
    }

    /// A column of numbers.
    pub(crate) const fn right(title: &'static str) -> Self {
        Self { title, alignment: CellAlignment::Right, rank: None }
    }

    /// The same column, left out where there is no room for it; the highest rank goes first.
    pub(crate) const fn optional(self, rank: u8) -> Self {
        Self { rank: Some(rank), ..self }
    }
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
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
    colour: bool,
    /// Characters in a line of the terminal; `None` where lines may be of any length.
    width: Option<u16>,
}

impl Table {
    /// An empty table that suits the printer's standard output.
    pub(crate) fn new(printer: &Printer, columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
            colour: printer.stdout_colour(),
            width: printer.stdout_width(),
        }
    }

    /// Adds a row of cells with their tones.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a row of plain cells.
    pub(crate) fn plain_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.row(cells.into_iter().map(|text| (text, Tone::Plain)));
    }

    /// The finished table, without spaces at the ends of lines. Columns that were left out are named below it.
    pub(crate) fn render(&self) -> String {
        let shown = self.shown();
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(comfy_table::ContentArrangement::Disabled);
        table.set_header(shown.iter().map(|&index| {
            let cell = Cell::new(self.columns[index].title);
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for row in &self.rows {
            let cells = shown.iter().filter_map(|&index| row.get(index));
            table.add_row(cells.map(|(text, tone)| self.cell(text, *tone)));
        }
        for (position, &index) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(position) {
                column.set_padding((if position == 0 { 0 } else { GAP }, 0));
                column.set_cell_alignment(self.columns[index].alignment);
            }
        }
        let mut text = table.trim_fmt();
        let left_out: Vec<&str> = (0..self.columns.len())
            .filter(|index| !shown.contains(index))
            .map(|index| self.columns[index].title)
            .collect();
        if !left_out.is_empty() {
            text += &format!("\n(a wider terminal also shows: {})", left_out.join(", "));
        }
        text
    }

    /// Indices of the columns that there is room for.
    fn shown(&self) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = self.width else { return shown };
        let widths: Vec<usize> = (0..self.columns.len()).map(|index| self.column_width(index)).collect();
        let needed = |shown: &[usize]| -> usize {
            shown
                .iter()
                .map(|&index| widths[index] + usize::from(GAP))
                .sum::<usize>()
                .saturating_sub(GAP.into())
        };
        while needed(&shown) > usize::from(width) {
            let last = shown.iter().enumerate().max_by_key(|(_, index)| self.columns[**index].rank);
            match last {
                Some((position, &index)) if self.columns[index].rank.is_some() => shown.remove(position),
                Some(_) | None => break,
            };
        }
        shown
    }

    fn column_width(&self, index: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|(text, _)| text.chars().count());
        cells.chain([self.columns[index].title.chars().count()]).max().unwrap_or(0)
    }

    fn cell(&self, text: &str, tone: Tone) -> Cell {
        let cell = Cell::new(text);
        match tone {
            Tone::Good if self.colour => cell.fg(Color::Green),
            Tone::Bad if self.colour => cell.fg(Color::Red),
            Tone::Faint if self.colour => cell.add_attribute(Attribute::Dim),
            Tone::Plain | Tone::Good | Tone::Bad | Tone::Faint => cell,
        }
    }
}

#[cfg(test)]
mod tests;
