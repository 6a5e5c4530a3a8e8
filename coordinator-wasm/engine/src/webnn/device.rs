//! WebNN's device types, each with the power preference that goes with it: backends of their own.

/// A device type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU.
    Gpu,
    /// A neural processor.
    Npu,
}

impl Device {
    /// Every device type.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Gpu, Self::Npu];

    /// The device type of a backend, if it is one of WebNN's.
    #[must_use]
    pub fn of(backend: wire::Backend) -> Option<Self> {
        match backend {
            wire::Backend::Webnn => Some(Self::Cpu),
            wire::Backend::WebnnGpu => Some(Self::Gpu),
            wire::Backend::WebnnNpu => Some(Self::Npu),
            wire::Backend::Webgpu | wire::Backend::Wasm => None,
        }
    }

    /// The backend that it is.
    #[must_use]
    pub fn backend(self) -> wire::Backend {
        match self {
            Self::Cpu => wire::Backend::Webnn,
            Self::Gpu => wire::Backend::WebnnGpu,
            Self::Npu => wire::Backend::WebnnNpu,
        }
    }

    /// `MLDeviceType`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Npu => "npu",
        }
    }

    /// `MLPowerPreference`: a GPU is asked for to be fast, a neural processor to save power. Browsers that know no device
    /// types choose by this.
    #[must_use]
    pub fn power_preference(self) -> &'static str {
        match self {
            Self::Cpu => "default",
            Self::Gpu => "high-performance",
            Self::Npu => "low-power",
        }
    }
}
