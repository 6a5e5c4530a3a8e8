//! Identities of connections, jobs, calls and models.

use core::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One member of the pool. Stays the same when its worker or browser is replaced; never reused.
    ConnectionId(u32), "c"
);
id!(
    /// One job. Never reused.
    JobId(u64), "j"
);
id!(
    /// One request to one connection. Never reused, so an answer to a forgotten call is recognised and ignored.
    CallId(u64), "k"
);
id!(
    /// One registered model.
    ModelId(u32), "m"
);
id!(
    /// Connections that should perform alike: same browser, same adapter.
    GroupId(u16), "g"
);

/// Inputs that should take equally long: the driver's own classes, or [`ShapeClass::from_elements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShapeClass(pub u32);

impl ShapeClass {
    /// The class of inputs with `n_elements` in total: inputs within a factor of two share one.
    #[must_use]
    pub const fn from_elements(n_elements: u64) -> Self {
        Self(u64::BITS - n_elements.leading_zeros())
    }
}
