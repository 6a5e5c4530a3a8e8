//! What is written is what a reader of the format reads.

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::json;

use super::*;

const COLUMNS: [(&str, &str); 3] = [("name", "string"), ("micros", "integer"), ("ratio", "number")];

fn row(index: usize) -> [Value; 3] {
    if index.is_multiple_of(3) {
        [json!("ü"), Value::Null, json!(0.5)]
    } else {
        [Value::Null, json!(index), json!(2.0)]
    }
}

fn json_value(field: &Field) -> Value {
    if let Field::Str(text) = field {
        json!(text)
    } else if let Field::Long(integer) = field {
        json!(integer)
    } else if let Field::Double(number) = field {
        json!(number)
    } else {
        assert_eq!(*field, Field::Null);
        Value::Null
    }
}

#[track_caller]
fn check(n_rows: usize, n_groups: usize) {
    let on_disk = tempfile::tempfile().unwrap();
    let mut file = ParquetFile::create(on_disk.try_clone().unwrap(), &COLUMNS).unwrap();
    (0..n_rows).for_each(|index| file.add(&row(index)).unwrap());
    file.finish().unwrap();
    let reader = SerializedFileReader::new(on_disk).unwrap();
    assert_eq!(reader.num_row_groups(), n_groups);
    let mut n_read = 0;
    for read in reader.get_row_iter(None).unwrap() {
        let read = read.unwrap();
        let fields: Vec<Value> = read.get_column_iter().map(|(_, field)| json_value(field)).collect();
        assert_eq!(fields, row(n_read));
        n_read += 1;
    }
    assert_eq!(n_read, n_rows);
}

#[test]
fn rows_come_back() {
    check(0, 0);
    check(7, 1);
    check(GROUP_ROWS, 1);
    check(GROUP_ROWS + 5, 2);
}
