//! An ordered set of small values: sorted blocks in a vector.
//!
//! It takes about as long as a tree at the sizes that pools have, and a third of the code: every kind of tree adds four
//! kilobytes to the coordinator that every page downloads.

/// Values in a block at most. A larger block moves more at each change, a smaller one makes more blocks to search.
const BLOCK: usize = 128;

/// Values in order, each once.
#[derive(Debug, Clone)]
pub(crate) struct BlockSet<T> {
    /// None is empty; each starts behind the end of the one before.
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for BlockSet<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0 }
    }
}

impl<T: Ord + Copy> BlockSet<T> {
    /// Adds a value that is not there yet.
    pub(crate) fn insert(&mut self, value: T) {
        let (block, Err(place)) = self.find(&value) else { return };
        self.len += 1;
        let Some(values) = self.blocks.get_mut(block) else { return self.blocks.push(vec![value]) };
        values.insert(place, value);
        if values.len() > BLOCK {
            // Values that only rise fill their blocks.
            let rest = values.split_off(if place == BLOCK { BLOCK } else { BLOCK / 2 });
            self.blocks.insert(block + 1, rest);
        }
    }

    /// Takes a value out; false when it was not there.
    pub(crate) fn remove(&mut self, value: &T) -> bool {
        let (block, Ok(place)) = self.find(value) else { return false };
        self.len -= 1;
        let values = &mut self.blocks[block];
        values.remove(place);
        if values.is_empty() {
            self.blocks.remove(block);
        } else if values.len() < BLOCK / 4
            && self.blocks.get(block + 1).is_some_and(|next| next.len() < BLOCK / 2)
        {
            let mut next = self.blocks.remove(block + 1);
            self.blocks[block].append(&mut next);
        }
        true
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.blocks.first()?.first()
    }

    /// Takes the first value out.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        let first = *self.first()?;
        self.remove(&first);
        Some(first)
    }

    /// The values from `low` on.
    pub(crate) fn from(&self, low: &T) -> impl Iterator<Item = &T> {
        let (block, place) = self.find(low);
        let place = place.unwrap_or_else(|place| place);
        let rest = self.blocks.get(block).into_iter().flat_map(move |values| &values[place..]);
        rest.chain(self.blocks.iter().skip(block + 1).flatten())
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The block where a value belongs, and its place there.
    fn find(&self, value: &T) -> (usize, Result<usize, usize>) {
        let block = self.blocks.partition_point(|values| values[0] <= *value).saturating_sub(1);
        (block, self.blocks.get(block).map_or(Err(0), |values| values.binary_search(value)))
    }
}

#[cfg(test)]
mod tests;
