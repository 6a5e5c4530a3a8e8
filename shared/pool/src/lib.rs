//! Decides what each connection does next.
