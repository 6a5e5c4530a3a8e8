//! Weights that stay in their file: elements that are read when somebody asks for them.

use std::ops::Range;
use std::sync::Arc;

use crate::detach::Source;
use crate::dtype::ElementType;
use crate::load::read_elements;
use crate::tensor::{DType, Data};

/// Elements at a place in a file.
#[derive(Clone)]
pub(crate) struct StoredElements {
    source: Arc<dyn Source>,
    /// Where the first is, bytes.
    offset: usize,
    element: ElementType,
    dtype: DType,
}

impl StoredElements {
    /// Elements of a type that are computed in `dtype`.
    pub(crate) fn new(source: Arc<dyn Source>, offset: usize, element: ElementType, dtype: DType) -> Self {
        Self { source, offset, element, dtype }
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Reads some; the caller stays within the tensor.
    pub(super) fn read(&self, range: Range<usize>) -> Data {
        let element_bytes = self.element.size_bytes().unwrap_or_default() as usize;
        let offset = self.offset + range.start * element_bytes;
        read_elements(self.source.as_ref(), offset, self.element, self.dtype, range.len())
    }
}

impl std::fmt::Debug for StoredElements {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} at {} of a file", self.element, self.offset)
    }
}

impl PartialEq for StoredElements {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
            && (self.offset, self.element) == (other.offset, other.element)
    }
}
