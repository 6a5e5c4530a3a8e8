//! The smallest rectangle around points, at any angle.
//!
//! `rten-imageproc` has one too, but it orders the points of the hull by the cosine of their angle in 32-bit floats,
//! which cannot tell the points of a long flat line apart and loses most of it.

/// A rectangle at any angle, pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rectangle {
    pub(super) center: [f32; 2],
    /// Direction of the first side, length 1. The second is perpendicular to it.
    direction: [f32; 2],
    /// Lengths of the sides.
    pub(super) size: [f32; 2],
}

impl Rectangle {
    /// The smallest rectangle around `points` (x, y); `None` without points.
    pub(super) fn around(points: Vec<[i32; 2]>) -> Option<Self> {
        let hull = convex_hull(points);
        let first = *hull.first()?;
        // One side of the smallest rectangle lies on a side of the hull.
        let sides = hull.iter().zip(hull.iter().cycle().skip(1)).filter(|(from, to)| from != to);
        let along = sides.map(|(from, to)| direction(*from, *to));
        let rectangles = along.map(|direction| Self::along(direction, &hull));
        let smallest = rectangles.min_by(|left, right| left.area().total_cmp(&right.area()));
        Some(smallest.unwrap_or_else(|| Self::along([1.0, 0.0], &[first])))
    }

    /// The smallest rectangle around `points` with a side in this direction.
    fn along(direction: [f32; 2], points: &[[i32; 2]]) -> Self {
        let ranges = [direction, perpendicular(direction)].map(|axis| {
            let positions = points.iter().map(|point| dot(axis, point.map(|value| value as f32)));
            positions.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)))
        });
        let middles = ranges.map(|(low, high)| low.midpoint(high));
        let center = std::array::from_fn(|axis| {
            middles[0] * direction[axis] + middles[1] * perpendicular(direction)[axis]
        });
        Self { center, direction, size: ranges.map(|(low, high)| high - low) }
    }

    pub(super) fn area(&self) -> f32 {
        self.size[0] * self.size[1]
    }

    /// The same rectangle with each side longer by `length`.
    pub(super) fn grown(self, length: f32) -> Self {
        Self { size: self.size.map(|side| side + length), ..self }
    }

    /// True for points inside and on the edge.
    pub(super) fn contains(&self, point: [f32; 2]) -> bool {
        /// Rounding of the rectangle's own corners, pixels.
        const SLACK: f32 = 1e-3;
        let from_center = [point[0] - self.center[0], point[1] - self.center[1]];
        let distances =
            [self.direction, perpendicular(self.direction)].map(|axis| dot(axis, from_center).abs());
        distances.iter().zip(self.size).all(|(distance, side)| *distance <= side / 2.0 + SLACK)
    }

    /// The corners, in order around the rectangle.
    pub(super) fn corners(&self) -> [[f32; 2]; 4] {
        [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]].map(|[first, second]| {
            std::array::from_fn(|axis| {
                self.center[axis]
                    + first * self.size[0] * self.direction[axis]
                    + second * self.size[1] * perpendicular(self.direction)[axis]
            })
        })
    }
}

/// The corners of the convex hull, in order around it (Andrew's monotone chain, exact in integers).
fn convex_hull(mut points: Vec<[i32; 2]>) -> Vec<[i32; 2]> {
    points.sort_unstable();
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let chain = |points: &mut dyn Iterator<Item = [i32; 2]>| {
        let mut chain: Vec<[i32; 2]> = Vec::new();
        for point in points {
            while let [.., before, last] = chain[..]
                && turn(before, last, point) <= 0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut points.iter().copied());
    hull.extend(chain(&mut points.iter().rev().copied()));
    hull
}

/// Positive when the way from `a` over `b` to `c` turns left.
fn turn(a: [i32; 2], b: [i32; 2], c: [i32; 2]) -> i64 {
    let side = |from: [i32; 2], to: [i32; 2], axis: usize| i64::from(to[axis]) - i64::from(from[axis]);
    side(a, b, 0) * side(a, c, 1) - side(a, b, 1) * side(a, c, 0)
}

fn direction(from: [i32; 2], to: [i32; 2]) -> [f32; 2] {
    let way = [(to[0] - from[0]) as f32, (to[1] - from[1]) as f32];
    way.map(|part| part / way[0].hypot(way[1]))
}

fn perpendicular([x, y]: [f32; 2]) -> [f32; 2] {
    [-y, x]
}

fn dot(left: [f32; 2], right: [f32; 2]) -> f32 {
    left[0] * right[0] + left[1] * right[1]
}

#[cfg(test)]
mod tests;
