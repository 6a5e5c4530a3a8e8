//! The detector's probability map to boxes around lines (differentiable binarisation, "DB").

use rten_imageproc::{RetrievalMode, find_contours};
use rten_tensor::{AsView as _, NdTensor};

use super::image::Quad;
use super::rectangle::Rectangle;

/// Pixels above this probability are text.
const TEXT: f32 = 0.3;
/// Boxes with a lower mean probability are dropped.
const MIN_SCORE: f32 = 0.5;
/// The map shows shrunken lines; boxes grow by area · this / perimeter.
const UNCLIP: f32 = 1.6;
/// Shortest side of a region in the map, and of its box after growing, pixels.
const MIN_REGION_SIDE: f32 = 3.0;
const MIN_BOX_SIDE: f32 = 5.0;
/// Most regions that are looked at.
const MAX_REGIONS: usize = 1_000;
/// Boxes whose tops differ by less stand on one line, pixels.
const SAME_LINE: f32 = 10.0;

/// Boxes in a map of `width` × `height`, scaled to the image; `None` when the map has another size.
pub(super) fn find(map: &[f32], width: usize, height: usize, scale: [f32; 2]) -> Option<Vec<Quad>> {
    if map.len() != width * height {
        return None;
    }
    let is_text = |x: usize, y: usize| map[y * width + x] > TEXT;
    // Each text pixel also claims its neighbours to the right and below, which joins the parts of thin letters.
    let mask = NdTensor::from_fn([height, width], |[y, x]| {
        let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
        is_text(x, y) || is_text(left, y) || is_text(x, above) || is_text(left, above)
    });
    let contours = find_contours(mask.view(), RetrievalMode::List);
    let boxes = contours.iter().take(MAX_REGIONS).filter_map(|contour| {
        let region = Rectangle::around(contour.iter().map(|point| [point.x, point.y]).collect())?;
        let side = region.size[0].min(region.size[1]);
        if side < MIN_REGION_SIDE || mean_inside(map, width, height, &region) < MIN_SCORE {
            return None;
        }
        // Each edge moves out by area · ratio / perimeter.
        let growth = UNCLIP * region.area() / (region.size[0] + region.size[1]);
        (side + growth >= MIN_BOX_SIDE).then(|| quad(&region.grown(growth), scale))
    });
    Some(boxes.collect())
}

/// From the top; boxes on one line from the left.
pub(super) fn in_reading_order(mut boxes: Vec<Quad>) -> Vec<Quad> {
    let start = |quad: &Quad| quad.corners[0];
    boxes.sort_by(|a, b| start(a)[1].total_cmp(&start(b)[1]).then(start(a)[0].total_cmp(&start(b)[0])));
    for sorted in 1..boxes.len() {
        for index in (1..=sorted).rev() {
            let (before, after) = (start(&boxes[index - 1]), start(&boxes[index]));
            if (after[1] - before[1]).abs() >= SAME_LINE || after[0] >= before[0] {
                break;
            }
            boxes.swap(index - 1, index);
        }
    }
    boxes
}

/// The mean probability of the pixels in `region`.
fn mean_inside(map: &[f32], width: usize, height: usize, region: &Rectangle) -> f32 {
    let corners = region.corners();
    let range = |axis: usize, length: usize| {
        let positions = corners.map(|corner| corner[axis]);
        let low = positions.iter().copied().fold(f32::INFINITY, f32::min).floor().max(0.0) as usize;
        let high = positions.iter().copied().fold(0.0, f32::max).ceil() as usize;
        low..=high.min(length - 1)
    };
    let (mut sum, mut n_pixels) = (0.0, 0);
    for y in range(1, height) {
        for x in range(0, width) {
            if region.contains([x as f32, y as f32]) {
                sum += map[y * width + x];
                n_pixels += 1;
            }
        }
    }
    sum / (n_pixels as f32).max(1.0)
}

/// The corners in reading order: of the two on the left the upper one is first.
fn quad(region: &Rectangle, scale: [f32; 2]) -> Quad {
    let mut corners = region.corners().map(|[x, y]| [x * scale[0], y * scale[1]]);
    corners.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let [a, b, c, d] = corners;
    let by_height = |a: [f32; 2], b: [f32; 2]| if a[1] <= b[1] { [a, b] } else { [b, a] };
    let ([top_left, bottom_left], [top_right, bottom_right]) = (by_height(a, b), by_height(c, d));
    Quad { corners: [top_left, top_right, bottom_right, bottom_left] }
}

#[cfg(test)]
mod tests;
