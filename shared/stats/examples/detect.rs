//! Reads one series a line from standard input and prints its changes as `index:confirmed_at` pairs, one line a series.
#![expect(clippy::print_stdout, reason = "the output of this program is its purpose")]

use std::io::{Error, ErrorKind};

use stats::{DetectorConfig, detect};

fn main() -> Result<(), Error> {
    let invalid = |cause: String| Error::new(ErrorKind::InvalidData, cause);
    for line in std::io::stdin().lines() {
        let line = line?;
        let numbers = line
            .split_whitespace()
            .map(|number| number.parse::<f64>().map_err(|error| invalid(error.to_string())));
        let values: Vec<f64> = numbers.collect::<Result<_, _>>()?;
        let changes =
            detect(&values, DetectorConfig::default()).map_err(|error| invalid(error.to_string()))?;
        let pairs: Vec<String> =
            changes.iter().map(|change| format!("{}:{}", change.index, change.confirmed_at)).collect();
        println!("{}", pairs.join(" "));
    }
    Ok(())
}
