//! The demo page with its pool, as tests visit it.

use std::time::Duration;

use anyhow::Result;

use crate::driver::Browser;
use crate::webdriver::Session;

/// A model is loaded and runs, on a busy machine with two cores.
pub const RUN_LIMIT: Duration = Duration::from_secs(300);

/// Opens the page and waits until its pool is ready.
///
/// # Errors
/// It is not ready in time.
pub fn open(page: &Session, url: &str) -> Result<()> {
    page.goto(url)?;
    page.wait_until("document.documentElement.dataset.pool === 'ready'", "document.body.innerText", RUN_LIMIT)
}

/// Visits the page in one browser.
///
/// # Panics
/// The visit fails.
#[track_caller]
pub fn check(browser: Browser, visit: impl FnOnce(Browser) -> Result<()>) {
    if let Err(error) = visit(browser) {
        panic!("{browser:?}: {error:#}");
    }
}

/// Defines the tests `chromium`, `firefox` and `webkit`, which make one visit: a function of the browser.
#[macro_export]
macro_rules! in_every_browser {
    ($visit:path) => {
        #[test]
        fn chromium() {
            $crate::demo_page::check($crate::driver::Browser::Chromium, $visit);
        }

        #[test]
        fn firefox() {
            $crate::demo_page::check($crate::driver::Browser::Firefox, $visit);
        }

        #[test]
        fn webkit() {
            $crate::demo_page::check($crate::driver::Browser::Webkit, $visit);
        }
    };
}
