//! A small client of the W3C WebDriver protocol: what tests that click need, and no more.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::poll::eventually;

/// Key under which WebDriver hands out elements (W3C WebDriver, section "Elements").
const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";
/// No single command takes longer: scripts end after `SCRIPT_LIMIT`, pages load from this machine.
const COMMAND_LIMIT: Duration = Duration::from_secs(400);
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);

/// One browser window that a driver steers; closed when this is dropped.
#[derive(Debug)]
pub struct Session {
    http: ureq::Agent,
    url: String,
}

impl Session {
    /// Opens a window through the driver at `driver_url`.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn open(driver_url: &str, capabilities: &Value) -> Result<Self> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(COMMAND_LIMIT))
            .http_status_as_error(false)
            .build();
        let http = config.new_agent();
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let opened = answer(http.post(format!("{driver_url}/session")).send_json(body))?;
        let id = opened["sessionId"].as_str().with_context(|| format!("no session id in {opened}"))?;
        let session = Self { url: format!("{driver_url}/session/{id}"), http };
        session.post("timeouts", &json!({ "script": SCRIPT_LIMIT.as_millis() }))?;
        Ok(session)
    }

    /// Loads a page.
    ///
    /// # Errors
    /// It does not load.
    pub fn goto(&self, url: &str) -> Result<()> {
        self.post("url", &json!({ "url": url })).map(drop)
    }

    /// Clicks the first element that `selector` matches.
    ///
    /// # Errors
    /// There is none, or something covers it.
    pub fn click(&self, selector: &str) -> Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("element/{element}/click"), &json!({}))
            .map(drop)
            .with_context(|| format!("clicking {selector}"))
    }

    /// Types into the first element that `selector` matches; into a file input, a path chooses that file.
    ///
    /// # Errors
    /// There is none, or it takes no keys.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("element/{element}/value"), &json!({ "text": text }))
            .map(drop)
            .with_context(|| format!("typing into {selector}"))
    }

    /// Runs the body of a JavaScript function and gives what it returns.
    ///
    /// # Errors
    /// The script throws.
    pub fn execute(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).with_context(|| script.to_owned())
    }

    /// Runs the body of a JavaScript function whose last argument is the callback for its result.
    ///
    /// # Errors
    /// The script throws or does not call back in time.
    pub fn execute_async(&self, script: &str) -> Result<Value> {
        self.post("execute/async", &json!({ "script": script, "args": [] }))
            .with_context(|| script.to_owned())
    }

    /// Adds a script to the page. It sees the page's own objects; those of [`Self::execute`] are another world's in Firefox.
    ///
    /// # Errors
    /// There is no page.
    pub fn add_script(&self, text: &str) -> Result<()> {
        let script = "const script = document.createElement('script'); script.textContent =";
        self.execute(&format!("{script} {}; document.head.append(script)", json!(text))).map(drop)
    }

    /// Calls a function of the page, which may be asynchronous, and gives its result.
    ///
    /// # Errors
    /// It throws.
    pub fn call(&self, function: &str, arguments: &Value) -> Result<Value> {
        let answer = self.execute_async(&format!(
            "const done = arguments[0];
             const call = async () => window.{function}(...{arguments});
             call().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"
        ))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{function} failed: {error}");
        }
        Ok(answer["value"].clone())
    }

    /// The text of the first element that `selector` matches, as the DOM has it.
    ///
    /// # Errors
    /// There is none.
    pub fn text(&self, selector: &str) -> Result<String> {
        let script = format!("return document.querySelector({})?.textContent ?? null", json!(selector));
        self.execute(&script)?.as_str().map(str::to_owned).with_context(|| format!("no {selector}"))
    }

    /// Waits until `expression` is true in the page; `reason` is an expression that says what the page shows instead.
    ///
    /// # Errors
    /// It is still false after `limit`.
    pub fn wait_until(&self, expression: &str, reason: &str, limit: Duration) -> Result<()> {
        eventually(expression, limit, || {
            let seen =
                self.execute(&format!("return [Boolean({expression}), String({reason}).slice(0, 600)]"))?;
            ensure!(seen[0] == Value::Bool(true), "{}", seen[1]);
            Ok(())
        })
    }

    /// Ends the browser's GPU process, as a driver's bug would: only Chromium can be asked to.
    ///
    /// # Errors
    /// The browser is another one.
    pub fn crash_gpu_process(&self) -> Result<()> {
        let command = json!({ "cmd": "Browser.crashGpuProcess", "params": {} });
        self.post("goog/cdp/execute", &command).map(drop)
    }

    fn find(&self, selector: &str) -> Result<String> {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }))?;
        let id = found[ELEMENT_KEY].as_str().with_context(|| format!("no element in {found}"))?;
        Ok(id.to_owned())
    }

    fn post(&self, command: &str, body: &Value) -> Result<Value> {
        answer(self.http.post(format!("{}/{command}", self.url)).send_json(body))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver's process group is killed anyway; asking first lets the browser end in its own way.
        self.http.delete(&self.url).call().ok();
    }
}

/// The `value` of a driver's answer, or the error that stands there.
fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    let mut response = response.context("the driver does not answer")?;
    let mut body: Value = response.body_mut().read_json().context("the driver's answer is not JSON")?;
    let value = body["value"].take();
    if let Some(error) = value["error"].as_str() {
        bail!("{error}: {}", value["message"].as_str().unwrap_or_default());
    }
    Ok(value)
}
