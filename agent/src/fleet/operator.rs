//! Breakers under an operator's hand: which browsers' parts are not used, always used, or only watched.

use std::str::FromStr;

use pool::{BreakerMode, Component};

/// One switch, e.g. `firefox/webgpu=forced-open`, or `loader=disabled` for every browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    /// Short name of the browsers whose breaker it is; `None`: all.
    pub(crate) browser: Option<String>,
    /// Whose breaker.
    pub(crate) component: Component,
    /// What becomes of it.
    pub(crate) mode: BreakerMode,
}

impl Switch {
    /// Whether it is about the browsers of this name.
    pub(crate) fn concerns(&self, browser: &str) -> bool {
        self.browser.as_deref().is_none_or(|name| name == browser)
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (breaker, mode) = text
            .split_once('=')
            .ok_or_else(|| "a switch looks like firefox/webgpu=forced-open".to_owned())?;
        let (browser, component) = match breaker.split_once('/') {
            Some((browser, component)) => (Some(browser.to_owned()), component),
            None => (None, breaker),
        };
        let choices = |names: &[&str]| names.join(", ").replace('_', "-");
        let component = component.parse().map_err(|_unknown| {
            let names: Vec<&str> = Component::ALL.iter().map(|one| one.as_str()).collect();
            format!("no component is called \"{component}\"; there are {}", choices(&names))
        })?;
        let mode = mode.replace('-', "_").parse().map_err(|_unknown| {
            let names: Vec<&str> = BreakerMode::ALL.iter().map(|one| one.as_str()).collect();
            format!("no mode is called \"{mode}\"; there are {}", choices(&names))
        })?;
        Ok(Self { browser, component, mode })
    }
}

#[cfg(test)]
mod tests;
