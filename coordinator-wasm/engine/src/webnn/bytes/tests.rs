//! What goes into WebNN comes out as it was, in the order and type that it should have.

use std::sync::Arc;

use super::*;

fn tensor(dims: &[usize], data: Data) -> Tensor {
    Tensor::new(dims.to_vec(), data).unwrap()
}

#[track_caller]
fn check(data: Data, permutation: Option<Vec<usize>>, dtype: DType, expected: Data) {
    let constant = Constant { operand: 0, tensor: Arc::new(tensor(&[2, 3], data)), permutation };
    let bytes = constant_bytes(&constant, dtype);
    let fact = Fact::new(expected.first(0).dtype(), vec![6]);
    assert_eq!(output_tensor(&bytes, dtype, &fact), Some(tensor(&[6], expected)));
}

#[test]
fn constants_are_transposed_and_narrowed() {
    let floats = Data::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check(floats.clone(), None, DType::F32, floats.clone());
    check(floats, Some(vec![1, 0]), DType::F32, Data::F32(vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    let wide = Data::I64(vec![1, -2, 3, -4, 5, -6]);
    check(wide.clone(), None, DType::I32, wide.clone());
    check(wide, Some(vec![1, 0]), DType::I64, Data::I64(vec![1, -4, -2, 5, 3, -6]));
    let small = Data::I8(vec![1, -2, 3, -4, 5, -6]);
    check(small, Some(vec![1, 0]), DType::I8, Data::I8(vec![1, -4, -2, 5, 3, -6]));
}

#[test]
fn an_input_beyond_32_bits_is_named() {
    let wide = tensor(&[2], Data::I64(vec![-2_147_483_648, 2_147_483_648]));
    assert_eq!(input_bytes(&wide, DType::I32), Err((1, 2_147_483_648)));
    assert_eq!(input_bytes(&wide, DType::I64).map(|bytes| bytes.len()), Ok(16));
    let fits = tensor(&[2], Data::I64(vec![-2_147_483_648, 2_147_483_647]));
    assert_eq!(
        input_bytes(&fits, DType::I32).map(Cow::into_owned),
        Ok(vec![0, 0, 0, 128, 255, 255, 255, 127])
    );
}

#[test]
fn an_output_of_another_length_is_none() {
    assert_eq!(output_tensor(&[0; 8], DType::F32, &Fact::new(DType::F32, vec![3])), None);
}
