//! Proves the whole in real browsers.
//!
//! The suites are in `tests/`; this library holds what several of them use. It needs the cache that
//! `tabpool model fetch --test-data` fills.

pub mod agent;
pub mod cache;
pub mod case_server;
pub mod cast_case;
pub mod demo_page;
pub mod driver;
pub mod native;
pub mod node_case;
pub mod onnx;
pub mod operator_table;
pub mod page_server;
pub mod poll;
pub mod process;
pub mod verdict;
pub mod webdriver;
