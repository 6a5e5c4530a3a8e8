//! Turns a model file into a plan a backend can run.
