//! Resizing: neighbouring elements copied or mixed, one axis at a time.

use model::reference::ResizeSample;
use model::tensor::n_elements;

use super::simd::{F32x4, LANES};

/// Resizes one axis of `x` of shape `dims`, which is not the innermost, to one element per sample.
pub(in crate::wasm) fn resize_axis(
    x: &[f32],
    dims: &[usize],
    axis: usize,
    samples: &[ResizeSample],
    out: &mut [f32],
) {
    let n_inner = n_elements(&dims[axis + 1..]).max(1);
    let slices = x.chunks_exact((dims[axis] * n_inner).max(1));
    for (slice, out) in slices.zip(out.chunks_exact_mut((samples.len() * n_inner).max(1))) {
        for (&(low, high, weight), out) in samples.iter().zip(out.chunks_exact_mut(n_inner)) {
            let (low, high) = (&slice[low * n_inner..][..n_inner], &slice[high * n_inner..][..n_inner]);
            if weight == 0.0 {
                out.copy_from_slice(low);
            } else {
                mix(low, high, weight, out);
            }
        }
    }
}

/// `low + (high − low) · weight`
fn mix(low: &[f32], high: &[f32], weight: f32, out: &mut [f32]) {
    let ((low4, low1), (high4, high1)) = (low.as_chunks::<LANES>(), high.as_chunks::<LANES>());
    let (out4, out1) = out.as_chunks_mut::<LANES>();
    for ((out, low), high) in out4.iter_mut().zip(low4).zip(high4) {
        let low = F32x4::load(low);
        F32x4::load(high).sub(low).mul_add(F32x4::splat(weight), low).store(out);
    }
    for ((out, low), high) in out1.iter_mut().zip(low1).zip(high1) {
        *out = low + (high - low) * weight;
    }
}
