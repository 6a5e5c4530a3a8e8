//! Rows as a Parquet file.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde_json::Value;

/// Rows of a row group: readers skip whole groups, and writing holds one in memory.
const GROUP_ROWS: usize = 32_768;

/// A Parquet file under construction.
pub(super) struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    n_rows: usize,
}

/// Values of one column of the row group in work; absent ones have level 0.
struct Column {
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file with these columns: names, and types as JSON Schema calls them.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn create(to: W, columns: &[(&str, &str)]) -> Result<Self, ParquetError> {
        let (mut fields, mut empty) = (Vec::new(), Vec::new());
        for (name, json_type) in columns {
            let values = Values::of(json_type);
            let (physical, logical) = values.types();
            let field = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()?;
            fields.push(Arc::new(field));
            empty.push(Column { values, levels: Vec::new() });
        }
        let schema = Type::group_type_builder("run").with_fields(fields).build()?;
        let program = concat!("tabpool version ", env!("CARGO_PKG_VERSION"));
        let properties = WriterProperties::builder().set_created_by(program.to_owned()).build();
        let writer = SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { writer, columns: empty, n_rows: 0 })
    }

    /// Adds a row, with its values in the order of the columns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn add(&mut self, row: &[Value]) -> Result<(), ParquetError> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            let is_there = column.values.push(value);
            column.levels.push(i16::from(is_there));
        }
        self.n_rows += 1;
        if self.n_rows == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(mut self) -> Result<(), ParquetError> {
        if self.n_rows > 0 {
            self.write_group()?;
        }
        self.writer.close()?;
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        self.n_rows = 0;
        Ok(())
    }
}

impl Column {
    /// Writes what it holds and forgets it.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = Some(self.levels.as_slice());
        match &mut self.values {
            Values::Text(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Integer(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Number(values) => {
                writer.typed::<DoubleType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}

impl Values {
    fn of(json_type: &str) -> Self {
        match json_type {
            "integer" => Self::Integer(Vec::new()),
            "number" => Self::Number(Vec::new()),
            _ => Self::Text(Vec::new()),
        }
    }

    fn types(&self) -> (Physical, Option<LogicalType>) {
        match self {
            Self::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Integer(_) => (Physical::INT64, None),
            Self::Number(_) => (Physical::DOUBLE, None),
        }
    }

    /// Adds a value; false when there is none.
    fn push(&mut self, value: &Value) -> bool {
        match self {
            Self::Text(values) => value.as_str().map(|text| values.push(ByteArray::from(text))).is_some(),
            Self::Integer(values) => value.as_i64().map(|integer| values.push(integer)).is_some(),
            Self::Number(values) => value.as_f64().map(|number| values.push(number)).is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
