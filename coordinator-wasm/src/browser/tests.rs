//! User agents and client hints as browsers send them.

use super::*;

#[track_caller]
fn check(user_agent: &str, brands: &[(&str, &str)], expected: (&str, &str)) {
    let brands: Vec<_> =
        brands.iter().map(|&(brand, version)| (brand.to_owned(), version.to_owned())).collect();
    let browser = detect(user_agent, &brands);
    assert_eq!((browser.name.as_str(), browser.version.as_str()), expected);
    assert_eq!(browser.user_agent, user_agent);
}

#[test]
fn from_the_user_agent() {
    check(
        "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
        &[],
        ("firefox", "153.0"),
    );
    check(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
        &[],
        ("chromium", "156.0.0.0"),
    );
    check(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/60.5 Safari/605.1.15",
        &[],
        ("webkit", "60.5"),
    );
    check(
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.1.2",
        &[],
        ("edge", "156.0.1.2"),
    );
    check("something else", &[], ("unknown", ""));
}

#[test]
fn client_hints_win() {
    let user_agent = "Mozilla/5.0 AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
    check(user_agent, &[("Not A Brand", "8"), ("Chromium", "156.0.8078.79")], ("chromium", "156.0.8078.79"));
    check(user_agent, &[("Chromium", "156.0.1.1"), ("Google Chrome", "156.0.1.2")], ("chrome", "156.0.1.2"));
    check(user_agent, &[("Chromium", "156.0.1.1"), ("Microsoft Edge", "156.0.3.3")], ("edge", "156.0.3.3"));
}
