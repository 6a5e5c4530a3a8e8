// Functions on one element that WGSL lacks, or whose results for NaN and infinity it leaves open.

fn bits(value: u32) -> f32 {
    return bitcast<f32>(value);
}

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_infinite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

fn larger(a: f32, b: f32) -> f32 {
    return select(b, a, a > b || is_nan(a));
}

fn smaller(a: f32, b: f32) -> f32 {
    return select(b, a, a < b || is_nan(a));
}

fn clip(x: f32, low: f32, high: f32) -> f32 {
    let above = select(x, low, x < low);
    return select(above, high, above > high);
}

// Within one unit in the last place, where WGSL allows dozens: what is quantized after a softmax must round like the exact
// value. e^x is 2^n · e^r with r at most half of ln 2; coefficients as in Cephes' expf.
fn exp_of(x: f32) -> f32 {
    let n = round(x * 1.442695);
    let r = (x - n * 0.693359375) + n * 2.1219444e-4;
    var y = 1.9875691e-4 * r + 1.3981999e-3;
    y = y * r + 8.333452e-3;
    y = y * r + 4.1665796e-2;
    y = y * r + 1.6666666e-1;
    y = y * r + 0.5;
    y = y * r * r + r + 1.0;
    let scaled = bitcast<f32>(bitcast<i32>(y) + (i32(clip(n, -126.0, 127.0)) << 23u));
    return select(select(scaled, 0.0, x < -87.0), exp(x), x > 88.0 || is_nan(x));
}

fn log_of(x: f32) -> f32 {
    return select(log(x), bits(0xff800000u), x == 0.0);
}

fn tanh_of(x: f32) -> f32 {
    return tanh(clip(x, -15.0, 15.0));
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

fn softplus(x: f32) -> f32 {
    return select(x, 0.0, x < 0.0) + log(1.0 + exp(-abs(x)));
}

// Abramowitz and Stegun, 7.1.26; within 1.5e-7.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let y = 1.0 - series * exp(-x * x);
    return select(y, -y, x < 0.0);
}

// An odd series where e^x - e^-x would cancel.
fn sinh_of(x: f32) -> f32 {
    if (abs(x) < 0.3) {
        let s = x * x;
        return x * (1.0 + s / 6.0 * (1.0 + s / 20.0 * (1.0 + s / 42.0)));
    }
    return 0.5 * (exp(x) - exp(-x));
}

fn asinh_of(x: f32) -> f32 {
    let a = abs(x);
    let y = log(a + sqrt(a * a + 1.0));
    return select(y, -y, x < 0.0);
}

fn sign_of(x: f32) -> f32 {
    return select(select(x, 1.0, x > 0.0), -1.0, x < 0.0);
}

fn power(a: f32, b: f32) -> f32 {
    if (b == 0.0) {
        return 1.0;
    }
    if (a == 0.0) {
        return select(0.0, 1.0 / abs(a), b < 0.0);
    }
    let magnitude = pow(abs(a), b);
    if (a > 0.0) {
        return magnitude;
    }
    if (floor(b) != b) {
        return sqrt(a);
    }
    return select(magnitude, -magnitude, abs(b % 2.0) == 1.0);
}

fn power_integer(a: i32, b: i32) -> i32 {
    var result = 1;
    for (var n = 0; n < b; n++) {
        result *= a;
    }
    return result;
}

fn modulo(a: i32, b: i32) -> i32 {
    let rest = a % b;
    return select(rest, rest + b, rest != 0 && ((rest < 0) != (b < 0)));
}

fn from_front(index: i32, length: u32) -> u32 {
    return min(u32(select(index, index + i32(length), index < 0)), length - 1u);
}

fn narrow_unsigned(x: i32) -> i32 {
    return x & 255;
}

fn narrow_signed(x: i32) -> i32 {
    return (x << 24u) >> 24u;
}
