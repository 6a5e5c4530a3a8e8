// The state of a GRU layer after its reset gate, for layers whose candidate is computed from that.

fn invocation(i: u32) {
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    reset_h[i] = sigmoid(gate(1u, unit, sample)) * h[i];
}
