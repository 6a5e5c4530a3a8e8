//! Which browser this is, from what it says about itself.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wire::Browser;

use crate::object::{object, property};
use crate::sys;

/// Asks the browser; Chromium's full version needs its client hints, hence the await.
pub(crate) async fn detect_here() -> Browser {
    let Some(navigator) = sys::NAVIGATOR.with(Clone::clone) else { return Browser::default() };
    let brands = match navigator.user_agent_data() {
        Some(data) => full_versions(&data).await,
        None => Vec::new(),
    };
    detect(&navigator.user_agent(), &brands)
}

/// Brand and version pairs; empty when the browser refuses.
async fn full_versions(data: &sys::UserAgentData) -> Vec<(String, String)> {
    let hints = Array::of1(&"fullVersionList".into());
    let Ok(promise) = data.high_entropy_values(&hints) else { return Vec::new() };
    let Ok(values) = JsFuture::from(promise).await else { return Vec::new() };
    let list = property(&values, "fullVersionList").unwrap_or_else(|| object(&[]));
    let text = |entry: &JsValue, name| property(entry, name).and_then(|value| value.as_string());
    Array::from(&list)
        .iter()
        .filter_map(|entry| Some((text(&entry, "brand")?, text(&entry, "version")?)))
        .collect()
}

/// Name and version from client hints where there are any, else from the user agent.
fn detect(user_agent: &str, brands: &[(String, String)]) -> Browser {
    // Every Chromium lists `Chromium` beside its own brand, so the order matters.
    const BRANDS: [(&str, &str); 3] =
        [("Microsoft Edge", "edge"), ("Google Chrome", "chrome"), ("Chromium", "chromium")];
    const TOKENS: [(&str, &str); 6] = [
        ("Firefox/", "firefox"),
        ("Edg/", "edge"),
        ("HeadlessChrome/", "chromium"),
        ("Chrome/", "chromium"),
        ("Version/", "webkit"),
        ("AppleWebKit/", "webkit"),
    ];
    let from_brands = BRANDS.iter().find_map(|(brand, name)| {
        let (_, version) = brands.iter().find(|(listed, _)| listed == brand)?;
        Some((*name, version.as_str()))
    });
    let from_user_agent = || {
        TOKENS.iter().find_map(|(token, name)| {
            let version = user_agent.split(' ').find_map(|word| word.strip_prefix(token))?;
            Some((*name, version))
        })
    };
    let (name, version) = from_brands.or_else(from_user_agent).unwrap_or(("unknown", ""));
    Browser { name: name.to_owned(), version: version.to_owned(), user_agent: user_agent.to_owned() }
}

#[cfg(test)]
mod tests;
