//! Sampling on small images.

use super::*;

/// An opaque grey image.
fn grey(width: usize, values: &[u8]) -> Image {
    let pixels = values.iter().flat_map(|&value| [value, value, value, 255]).collect();
    Image::from_tensor(Tensor::new("image", &[values.len() / width, width, 4], TensorData::Uint8(pixels)))
        .unwrap()
}

/// The first plane of `quad` at `width` × `height`, back as bytes.
#[track_caller]
fn check(image: &Image, quad: &Quad, width: usize, height: usize, expected: &[u8]) {
    let planes = image.planes(quad, width, height);
    assert_eq!(planes.len(), N_PLANES * width * height);
    let bytes: Vec<u8> =
        planes[..width * height].iter().map(|value| (value * 127.5 + 127.5).round() as u8).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn sizes() {
    let image = grey(2, &[0, 100, 200, 60]);
    check(&image, &image.outline(), 2, 2, &[0, 100, 200, 60]);
    check(&image, &image.outline(), 1, 1, &[90]);
    check(&image, &image.outline(), 4, 1, &[100, 95, 85, 80]);
    check(&grey(4, &[0, 40, 80, 120]), &grey(4, &[0; 4]).outline(), 8, 1, &[0, 10, 30, 50, 70, 90, 110, 120]);
}

#[test]
fn turns() {
    let image = grey(2, &[0, 100, 200, 60]);
    check(&image, &image.outline().turned(1), 2, 2, &[100, 60, 0, 200]);
    check(&image, &image.outline().turned(2), 2, 2, &[60, 200, 100, 0]);
}

#[test]
fn planes_are_blue_green_red_on_white() {
    let pixels = TensorData::Uint8(vec![255, 0, 51, 255, 0, 0, 0, 0]);
    let image = Image::from_tensor(Tensor::new("image", &[1, 2, 4], pixels)).unwrap();
    let planes = image.line_planes(&image.outline(), 1, 2, 3);
    let expected = [-0.6, 1.0, 0.0, -1.0, 1.0, 0.0, 1.0, 1.0, 0.0];
    assert!(
        planes.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-6),
        "{planes:?}"
    );
}

#[test]
fn tensors_that_are_no_images() {
    let image = |dims: &[usize], data: TensorData| Image::from_tensor(Tensor::new("image", dims, data));
    assert!(image(&[1, 1, 3], TensorData::Uint8(vec![0; 3])).is_none());
    assert!(image(&[1, 1, 4], TensorData::Float32(vec![0.0; 4])).is_none());
    assert!(image(&[0, 0, 4], TensorData::Uint8(Vec::new())).is_none());
}

#[test]
fn quads() {
    let quad = Quad { corners: [[0.0, 0.0], [30.0, 40.0], [30.0, 50.0], [0.0, 10.0]] };
    assert_eq!(quad.size(), [50.0, 10.0]);
    assert_eq!(quad.width_at(48), 240);
    let cut = quad.clone().within(20, 20).unwrap();
    assert_eq!(cut.corners, [[0.0, 0.0], [19.0, 19.0], [19.0, 19.0], [0.0, 10.0]]);
    assert_eq!(quad.within(2, 2), None);
}
