//! Images to lines of text, with PP-OCR: detector, orientation classifier, recogniser.
//!
//! Sizes and thresholds are those of PP-OCRv4 as the `rapidocr-onnxruntime` package (1.4) sets them, but for the size at
//! which the detector sees the image.

mod boxes;
mod characters;
mod image;
mod rectangle;

use serde_json::{Value, json};
use wire::Fault;

use self::characters::Characters;
use self::image::{Image, Quad};
use super::{Model, Output, Parts, Pipeline, input, number};
use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::tensor::{Tensor, TensorData};

/// The detector's input sides are multiples of this, pixels.
const DETECTOR_GRID: usize = 32;
/// Images whose shorter side is less than this are enlarged for the detector, pixels. The package's 736 takes longer and
/// reads no more of a small page.
const DETECTOR_SHORT_SIDE: f32 = 448.0;
/// The longer side is at most this for the detector, pixels: its time grows with the area. PaddleOCR's own default.
const DETECTOR_LONG_SIDE: f32 = 960.0;
/// Height of a line for classifier and recogniser, pixels.
const LINE_HEIGHT: usize = 48;
/// Width of a line for the classifier, pixels.
const CLASSIFIER_WIDTH: usize = 192;
/// Lines per run of the classifier.
const CLASSIFIER_BATCH: usize = 8;
/// A line is turned when the classifier is this sure that it is upside down.
const UPSIDE_DOWN: f32 = 0.9;
/// Narrowest input of the recogniser, pixels: shorter lines are padded as in its training.
const RECOGNIZER_MIN_WIDTH: usize = 320;
/// Widest input of the recogniser, pixels: bounds the memory of a run.
const RECOGNIZER_MAX_WIDTH: usize = 4_096;
/// Lines with a lower mean probability are dropped.
const MIN_SCORE: f32 = 0.5;

/// A reader of printed text.
pub(super) struct ReadText {
    detector: Model,
    classifier: Model,
    recognizer: Model,
    characters: Characters,
}

impl ReadText {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        let detector = Model::open(backend, parts, "detector").await?;
        let classifier = Model::open(backend, parts, "classifier").await?;
        let recognizer = Model::open(backend, parts, "recognizer").await?;
        let characters = recognizer.session.metadata("character");
        let characters =
            characters.ok_or_else(|| fault::pipeline_part("recognizer", "it names no characters"))?;
        Ok(Self { characters: Characters::new(characters), detector, classifier, recognizer })
    }

    async fn read(&self, image: &Image) -> Result<Vec<Value>, Fault> {
        let mut lines = self.detect(image).await?;
        for lines in lines.chunks_mut(CLASSIFIER_BATCH) {
            self.turn_upright(image, lines).await?;
        }
        let mut results = Vec::with_capacity(lines.len());
        for line in &lines {
            let (text, score) = self.recognize(image, &line.reading).await?;
            if score >= MIN_SCORE && !text.is_empty() {
                results.push(json!({ "text": text, "score": number(score), "box": line.shown.corners }));
            }
        }
        Ok(results)
    }

    /// Where the lines are, from the top.
    async fn detect(&self, image: &Image) -> Result<Vec<Line>, Fault> {
        let [width, height] = detector_size(image.width, image.height);
        let input =
            self.tensor(&self.detector, 1, width, height, image.planes(&image.outline(), width, height))?;
        let map = self.detector.run_first(vec![input]).await?;
        let scale = [image.width as f32 / width as f32, image.height as f32 / height as f32];
        let boxes = boxes::find(map.as_f32()?, width, height, scale);
        let boxes =
            boxes.ok_or_else(|| fault::pipeline_part("detector", "its output is not one value per pixel"))?;
        let boxes = boxes.into_iter().filter_map(|quad| quad.within(image.width, image.height)).collect();
        Ok(boxes::in_reading_order(boxes).into_iter().map(Line::new).collect())
    }

    /// Turns the lines that stand on their heads.
    async fn turn_upright(&self, image: &Image, lines: &mut [Line]) -> Result<(), Fault> {
        let planes = lines.iter().flat_map(|line| {
            image.line_planes(
                &line.reading,
                LINE_HEIGHT,
                line.reading.width_at(LINE_HEIGHT),
                CLASSIFIER_WIDTH,
            )
        });
        let planes = planes.collect();
        let input = self.tensor(&self.classifier, lines.len(), CLASSIFIER_WIDTH, LINE_HEIGHT, planes)?;
        let scores = self.classifier.run_first(vec![input]).await?;
        // Two classes: upright, upside down.
        for (line, scores) in lines.iter_mut().zip(scores.as_f32()?.as_chunks::<2>().0) {
            if scores[1] > UPSIDE_DOWN {
                line.reading = line.reading.turned(2);
            }
        }
        Ok(())
    }

    async fn recognize(&self, image: &Image, line: &Quad) -> Result<(String, f32), Fault> {
        let line_width = line.width_at(LINE_HEIGHT).min(RECOGNIZER_MAX_WIDTH);
        let width = line_width.max(RECOGNIZER_MIN_WIDTH);
        let planes = image.line_planes(line, LINE_HEIGHT, line_width, width);
        let input = self.tensor(&self.recognizer, 1, width, LINE_HEIGHT, planes)?;
        let output = self.recognizer.run_first(vec![input]).await?;
        let n_classes = output.shape().last().copied().unwrap_or_default();
        Ok(self.characters.decode(output.as_f32()?, n_classes))
    }

    fn tensor(
        &self,
        model: &Model,
        n_images: usize,
        width: usize,
        height: usize,
        planes: Vec<f32>,
    ) -> Result<Tensor, Fault> {
        let dims = [n_images, image::N_PLANES, height, width];
        Ok(Tensor::new(&model.input(0)?.name, &dims, TensorData::Float32(planes)))
    }
}

impl Pipeline for ReadText {
    fn run<'a>(&'a self, _params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let hint = "pass \"image\" as uint8 [height, width, 4]: RGBA, as in ImageData";
            let image = Image::from_tensor(input(inputs, "image", 3, hint)?);
            let image =
                image.ok_or_else(|| fault::pipeline_input("input \"image\" is no RGBA image", hint))?;
            Ok(Output::of(json!({ "lines": self.read(&image).await? })))
        })
    }
}

/// One line of text.
struct Line {
    /// Its box as it stands in the image.
    shown: Quad,
    /// The same box with its first corner where reading starts.
    reading: Quad,
}

impl Line {
    /// A tall box is a line that runs upwards or downwards.
    fn new(shown: Quad) -> Self {
        let [width, height] = shown.size();
        let reading = if height >= 1.5 * width { shown.turned(1) } else { shown.clone() };
        Self { shown, reading }
    }
}

/// The size at which the detector sees an image.
fn detector_size(width: usize, height: usize) -> [usize; 2] {
    let (width, height) = (width as f32, height as f32);
    let enlarge = (DETECTOR_SHORT_SIDE / width.min(height)).max(1.0);
    let scale = enlarge.min(DETECTOR_LONG_SIDE / width.max(height));
    let side = |length: f32| {
        let n_cells = (length * scale / DETECTOR_GRID as f32).round() as usize;
        n_cells.max(1) * DETECTOR_GRID
    };
    [side(width), side(height)]
}

#[cfg(test)]
mod tests;
