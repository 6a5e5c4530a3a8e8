//! Kernels of the wasm backend: pure functions over slices, four floats at a time.

pub mod attention;
pub mod conv;
pub mod depthwise;
pub mod elementwise;
pub mod gemm;
pub mod integer_gemm;
pub mod math;
pub mod movement;
pub mod norm;
pub mod padded;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod resample;
pub mod scaled;
pub mod simd;
pub mod simd_integer;
pub mod transposed;
