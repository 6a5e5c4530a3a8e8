//! Programs for small graphs, call by call.
