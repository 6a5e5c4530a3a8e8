//! Attention against its definition in double precision, with strides, masks and more queries than one block.

use super::*;

fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
}

/// Inputs are [length, heads, width] with two heads; the second head is computed.
#[track_caller]
fn check(n_queries: usize, n_keys: usize, width: usize, mask: Option<Mask<'_>>) {
    let stride = 2 * width;
    let [q, k, v] = [(n_queries, 1), (n_keys, 2), (n_keys, 3)].map(|(n, seed)| numbers(n * stride, seed));
    let rows = |data, n_rows| Rows { data, stride, n_rows };
    let head = Head {
        queries: rows(&q[width..], n_queries),
        keys: rows(&k[width..], n_keys),
        values: rows(&v[width..], n_keys),
        width,
        v_width: width,
        scale: 0.37,
        zeroes_undefined: false,
        mask,
    };
    let mut out = vec![9.0; n_queries * stride];
    attention(head, RowsMut { data: &mut out[width..], stride }, &mut Scratch::default());
    let mut out_in_double = vec![9.0; n_queries * stride];
    let target = RowsMut { data: &mut out_in_double[width..], stride };
    attention_in_double(head, target, &mut DoubleScratch::default());

    let at = |data: &[f32], row: usize, d: usize| f64::from(data[row * stride + width + d]);
    for i in 0..n_queries {
        let score = |j: usize| {
            let dot: f64 = (0..width).map(|d| at(&q, i, d) * at(&k, j, d)).sum();
            let added = mask.map_or(0.0, |mask| mask.data[i * mask.query_stride + j * mask.key_stride]);
            (dot * 0.37 + f64::from(added)).exp()
        };
        let sum: f64 = (0..n_keys).map(score).sum();
        for d in 0..width {
            let expected = (0..n_keys).map(|j| score(j) * at(&v, j, d)).sum::<f64>() / sum;
            let actual = f64::from(out[i * stride + width + d]);
            assert!(
                (actual - expected).abs() <= 2e-6,
                "query {i}, element {d}: {actual}, expected {expected}"
            );
            assert!((f64::from(out_in_double[i * stride + width + d]) - expected).abs() <= 6e-8);
            assert_eq!(out[i * stride + d], 9.0, "the other head is not written");
            assert_eq!(out_in_double[i * stride + d], 9.0, "the other head is not written");
        }
    }
}

#[test]
fn one_block_and_several() {
    check(1, 1, 4, None);
    check(5, 7, 8, None);
    check(40, 33, 6, None);
}

#[test]
fn queries_without_keys_that_count_can_give_zeros() {
    let (q, mask) = (numbers(2 * 4, 1), [f32::NEG_INFINITY; 2]);
    let rows = Rows::dense(&q, 4);
    let mask = Some(Mask { data: &mask, query_stride: 0, key_stride: 1 });
    let head = Head {
        queries: rows,
        keys: rows,
        values: rows,
        width: 4,
        v_width: 4,
        scale: 1.0,
        zeroes_undefined: true,
        mask,
    };
    let (mut single, mut double) = ([9.0; 8], [9.0; 8]);
    attention(head, RowsMut { data: &mut single, stride: 4 }, &mut Scratch::default());
    attention_in_double(head, RowsMut { data: &mut double, stride: 4 }, &mut DoubleScratch::default());
    assert_eq!((single, double), ([0.0; 8], [0.0; 8]));
}

#[test]
fn masks_per_key_and_per_query() {
    let mut per_key = numbers(9, 4);
    per_key[3] = -1e9;
    check(6, 9, 8, Some(Mask { data: &per_key, query_stride: 0, key_stride: 1 }));
    let full = numbers(20 * 9, 5);
    check(20, 9, 8, Some(Mask { data: &full, query_stride: 9, key_stride: 1 }));
    check(6, 9, 8, Some(Mask { data: &full, query_stride: 1, key_stride: 0 }));
}
