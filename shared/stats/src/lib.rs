//! Turns samples into conclusions with stated confidence.
