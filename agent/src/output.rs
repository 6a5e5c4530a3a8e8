//! What people and programs read: the printer, tables, and quantities with units.

pub(crate) mod csv;
pub(crate) mod printer;
pub(crate) mod quantity;
pub(crate) mod table;

pub(crate) use printer::Printer;
pub(crate) use table::Table;
