//! What executes models, and the parts of a connection that fail on their own.

use core::fmt;

use crate::named::named_enum;

named_enum! {
    /// What executes a model inside one connection. Names equal those of the wire.
    pub enum Backend {
        /// WebGPU compute.
        Webgpu = "webgpu",
        /// WebNN graphs on the processor.
        Webnn = "webnn",
        /// WebNN graphs on a GPU.
        WebnnGpu = "webnn-gpu",
        /// WebNN graphs on a neural processor.
        WebnnNpu = "webnn-npu",
        /// WebAssembly SIMD.
        Wasm = "wasm",
    }
}

named_enum! {
    /// Part of a connection with a breaker of its own.
    pub enum Component {
        /// The WebGPU device and its queue.
        Webgpu = "webgpu",
        /// The WebNN context for the processor.
        Webnn = "webnn",
        /// The WebNN context for a GPU.
        WebnnGpu = "webnn-gpu",
        /// The WebNN context for a neural processor.
        WebnnNpu = "webnn-npu",
        /// The wasm executor.
        Wasm = "wasm",
        /// Fetching, verifying and decoding models.
        Loader = "loader",
        /// The link to the worker, iframe or browser.
        Transport = "transport",
    }
}

impl Backend {
    /// The component that runs this backend.
    #[must_use]
    pub const fn component(self) -> Component {
        match self {
            Self::Webgpu => Component::Webgpu,
            Self::Webnn => Component::Webnn,
            Self::WebnnGpu => Component::WebnnGpu,
            Self::WebnnNpu => Component::WebnnNpu,
            Self::Wasm => Component::Wasm,
        }
    }
}

impl Component {
    /// The backend that this component runs, if it runs one.
    #[must_use]
    pub const fn backend(self) -> Option<Backend> {
        match self {
            Self::Webgpu => Some(Backend::Webgpu),
            Self::Webnn => Some(Backend::Webnn),
            Self::WebnnGpu => Some(Backend::WebnnGpu),
            Self::WebnnNpu => Some(Backend::WebnnNpu),
            Self::Wasm => Some(Backend::Wasm),
            Self::Loader | Self::Transport => None,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// A set of backends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendSet(u8);

impl BackendSet {
    /// No backend.
    pub const NONE: Self = Self(0);
    /// Every backend.
    pub const ALL: Self = Self(0b1_1111);

    /// The set of the given backends.
    #[must_use]
    pub fn of(backends: &[Backend]) -> Self {
        backends.iter().fold(Self::NONE, |set, &backend| set.with(backend))
    }

    /// This set and `backend`.
    #[must_use]
    pub const fn with(self, backend: Backend) -> Self {
        Self(self.0 | 1 << backend as u8)
    }

    /// This set without `backend`.
    #[must_use]
    pub const fn without(self, backend: Backend) -> Self {
        Self(self.0 & !(1 << backend as u8))
    }

    /// This set without those of another.
    #[must_use]
    pub const fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `backend` is in the set.
    #[must_use]
    pub const fn contains(self, backend: Backend) -> bool {
        self.0 & 1 << backend as u8 != 0
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The backends in declaration order: the default preference `webgpu`, `webnn` with its devices, `wasm`.
    pub fn iter(self) -> impl Iterator<Item = Backend> {
        Backend::ALL.iter().copied().filter(move |&backend| self.contains(backend))
    }
}

impl Default for BackendSet {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Debug for BackendSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
