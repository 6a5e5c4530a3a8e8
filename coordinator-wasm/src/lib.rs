//! Runs the pool inside a browser tab.
