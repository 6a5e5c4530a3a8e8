//! Which tensors share memory: those that are not needed at the same time.

/// A tensor's life, by index of the dispatches that touch it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) size_bytes: u64,
}

/// Gives every tensor a slot; gives the slots' sizes too. A dispatch never writes into memory that it reads from.
pub(super) fn assign(lives: &[Option<Life>]) -> (Vec<Option<usize>>, Vec<u64>) {
    let mut order: Vec<(usize, Life)> =
        lives.iter().enumerate().filter_map(|(index, life)| Some((index, (*life)?))).collect();
    order.sort_by_key(|&(index, life)| (life.first, index));
    let mut slots = vec![None; lives.len()];
    let mut sizes: Vec<u64> = Vec::new();
    // Index of the last dispatch that touches each slot's tensor.
    let mut busy_until: Vec<usize> = Vec::new();
    for (index, life) in order {
        let free = (0..sizes.len()).filter(|&slot| busy_until[slot] < life.first);
        let best = free.min_by_key(|&slot| {
            if sizes[slot] >= life.size_bytes { (false, sizes[slot]) } else { (true, u64::MAX - sizes[slot]) }
        });
        let slot = best.unwrap_or_else(|| {
            sizes.push(0);
            busy_until.push(0);
            sizes.len() - 1
        });
        sizes[slot] = sizes[slot].max(life.size_bytes);
        busy_until[slot] = life.last;
        slots[index] = Some(slot);
    }
    (slots, sizes)
}
