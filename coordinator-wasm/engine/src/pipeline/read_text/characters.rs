//! The recogniser's class probabilities to text (greedy CTC decoding).

use crate::pipeline::argmax;

/// The characters of the recogniser's classes: class 0 is "no character", the last one is a space.
#[derive(Debug)]
pub(super) struct Characters(Vec<String>);

impl Characters {
    /// Reads the model's `character` metadata: one character per line.
    pub(super) fn new(lines: &str) -> Self {
        Self(lines.lines().map(str::to_owned).chain([" ".to_owned()]).collect())
    }

    /// The text of rows of `n_classes` probabilities, and the mean probability of its characters.
    pub(super) fn decode(&self, probabilities: &[f32], n_classes: usize) -> (String, f32) {
        let (mut text, mut sum, mut n_characters) = (String::new(), 0.0, 0);
        let mut before = 0;
        for row in probabilities.chunks_exact(n_classes.max(1)) {
            let (class, probability) = argmax(row);
            let character = class.checked_sub(1).and_then(|index| self.0.get(index));
            if class != before
                && let Some(character) = character
            {
                text.push_str(character);
                sum += probability;
                n_characters += 1;
            }
            before = class;
        }
        (text, sum / (n_characters as f32).max(1.0))
    }
}

#[cfg(test)]
mod tests;
