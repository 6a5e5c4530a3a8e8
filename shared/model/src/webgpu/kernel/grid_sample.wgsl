// Elements at computed positions between elements: every combination of TAPS neighbours along AXES dimensions, outermost first.

fn reflect_at(position: f32, low: f32, high: f32) -> f32 {
    let range = high - low;
    let beyond = select(position - high, low - position, position < low);
    if (beyond <= 0.0 || range <= 0.0) {
        return clamp(position, low, max(high, low));
    }
    let turns = floor(beyond / range);
    let rest = beyond - turns * range;
    return select(high - rest, low + rest, (position < low) == (turns % 2.0 == 0.0));
}

// Position along an axis of a coordinate from -1 to 1.
fn position_of(coordinate: f32, n: f32) -> f32 {
    //#if ALIGNS
    var position = (coordinate + 1.0) / 2.0 * (n - 1.0);
    //#else
    var position = ((coordinate + 1.0) * n - 1.0) / 2.0;
    //#end
    //#if NEAREST
    position = round(position);
    //#end
    if (position < $LOW || position > n - 1.0 - $LOW) {
        position = $OUTSIDE;
    }
    return position;
}

fn weight_of(tap: u32, ratio: f32) -> f32 {
    //#if CUBIC
    let x = abs(f32(tap) - 1.0 - ratio);
    let near = (1.25 * x - 2.25) * x * x + 1.0;
    let far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0;
    return select(select(far, 0.0, x >= 2.0), near, x <= 1.0);
    //#else
    return select(ratio, 1.0 - ratio, tap == 0u);
    //#end
}

fn invocation(i: u32) {
    let batch = i / (p.n_points * p.n_channels);
    let point = (batch * p.n_points + i % p.n_points) * $AXES;
    let plane = i / p.n_points * p.n_inner;
    //#each a AXES
    let n$a = f32(p.length$a);
    let position$a = position_of(grid[point + $AXES - 1u - $a], n$a);
    let low$a = floor(position$a);
    //#end
    var sum = 0.0;
    for (var combination = 0u; combination < p.n_taps; combination++) {
        var rest = combination;
        var weight = 1.0;
        var at = plane;
        //#each a AXES
        {
            let tap = rest % $TAPS;
            rest /= $TAPS;
            //#if NEAREST
            //#else
            weight *= weight_of(tap, position$a - low$a);
            //#end
            let n = n$a;
            var position = low$a + f32(tap) - $FIRST;
            //#if ZEROS
            weight = select(0.0, weight, position >= 0.0 && position < n);
            position = clamp(position, 0.0, n - 1.0);
            //#else
            position = min(max($OUTSIDE, 0.0), n - 1.0);
            //#end
            at += u32(position) * p.stride$a;
        }
        //#end
        if (weight != 0.0) {
            sum += x[at] * weight;
        }
    }
    y[i] = sum;
}
