//! Real browsers on this machine: one task for each launch, which carries what its page says to the driver.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pool::ConnectionId;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use wire::fleet::encode_frame;
use wire::{Fault, FaultCategory, FleetCommand};

use crate::bench::memory::proportional_bytes;
use crate::bench::page::browser_ended;
use crate::browser::{Found, Launcher};
use crate::fleet::driver::{Happening, Host, Launch, What};
use crate::host::now_unix_micros;
use crate::server::App;
use crate::server::session::{Errand, Report};
use crate::store::{Ending, StoreError};

/// How often the memory of a browser is looked at. A look at Chromium's nine processes takes 10 ms, and a browser that
/// fills the memory of a machine takes longer than this.
const MEMORY_INTERVAL: Duration = Duration::from_secs(2);

/// Launches browsers on this machine.
pub(crate) struct LocalBrowsers {
    app: Arc<App>,
    address: SocketAddr,
    launcher: Arc<Launcher>,
    campaign: i64,
    found: Vec<Found>,
    happenings: mpsc::UnboundedSender<Happening>,
    open: BTreeMap<ConnectionId, Link>,
    launches: JoinSet<Past>,
    past: Vec<Past>,
}

/// A launch that is over.
struct Past {
    session: String,
    ending: Ending,
    ended_unix_micros: i64,
}

/// The way to one page. Dropping `stop` ends the browser.
struct Link {
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    _stop: oneshot::Sender<()>,
}

impl LocalBrowsers {
    /// No browsers yet; what comes of them arrives at the receiver. Sessions belong to `campaign`.
    pub(crate) fn new(
        app: Arc<App>,
        address: SocketAddr,
        launcher: Launcher,
        campaign: i64,
        found: Vec<Found>,
    ) -> (Self, mpsc::UnboundedReceiver<Happening>) {
        let (happenings, receiver) = mpsc::unbounded_channel();
        let launcher = Arc::new(launcher);
        let (open, launches) = (BTreeMap::new(), JoinSet::new());
        let past = Vec::new();
        (Self { app, address, launcher, campaign, found, happenings, open, launches, past }, receiver)
    }

    /// Waits until every browser has ended, and notes the ends of their sessions: their rows must be stored by then.
    ///
    /// # Errors
    /// The history cannot be written.
    pub(crate) async fn join(mut self) -> Result<(), StoreError> {
        self.open.clear();
        while let Some(ended) = self.launches.join_next().await {
            self.past.extend(ended);
        }
        let store = &self.app.store;
        let end = |past: Past| store.end_session(&past.session, past.ending, 0, past.ended_unix_micros);
        let noted = self.past.into_iter().try_for_each(end);
        if let Some(launcher) = Arc::into_inner(self.launcher) {
            launcher.close().await;
        }
        noted
    }
}

impl Host for LocalBrowsers {
    fn open(&mut self, connection: ConnectionId, launch: &Launch) {
        let (outbox, commands) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        self.open.insert(connection, Link { outbox, _stop: stop });
        while let Some(ended) = self.launches.try_join_next() {
            self.past.extend(ended);
        }
        let name = &launch.browser.name;
        let Some(found) = self.found.iter().find(|found| found.kind.name == name).cloned() else { return };
        let visit = Visit {
            app: Arc::clone(&self.app),
            launcher: Arc::clone(&self.launcher),
            url: format!("http://{}/fleet.html?session={}", self.address, launch.session),
            campaign: self.campaign,
            found,
            connection,
            launch: launch.clone(),
            happenings: self.happenings.clone(),
        };
        let reports = self.app.sessions.open(&launch.session, Errand::Fleet(Arc::new(Mutex::new(commands))));
        self.launches.spawn(visit.run(reports, stopped));
    }

    fn send(&mut self, connection: ConnectionId, command: &FleetCommand, buffers: &[&[u8]]) {
        if let Some(link) = self.open.get(&connection) {
            // A page that is gone needs no commands; that it is gone is told elsewhere.
            link.outbox.send(encode_frame(command, buffers)).ok();
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        self.open.remove(&connection);
    }
}

/// Says again and again what a launch's processes hold, until nobody listens or the system does not tell.
async fn watch_memory(
    root: u32,
    connection: ConnectionId,
    launch: u32,
    happenings: mpsc::UnboundedSender<Happening>,
) {
    let mut ticks = interval(MEMORY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(Some(bytes)) = spawn_blocking(move || proportional_bytes(root)).await else { return };
        if happenings.send(Happening { connection, launch, what: What::Memory(bytes) }).is_err() {
            return;
        }
    }
}

/// One launch, from its start to its end.
struct Visit {
    app: Arc<App>,
    launcher: Arc<Launcher>,
    url: String,
    campaign: i64,
    found: Found,
    connection: ConnectionId,
    launch: Launch,
    happenings: mpsc::UnboundedSender<Happening>,
}

impl Visit {
    async fn run(
        self,
        mut reports: mpsc::UnboundedReceiver<Report>,
        mut stopped: oneshot::Receiver<()>,
    ) -> Past {
        let Launch { session, browser, .. } = &self.launch;
        let store = &self.app.store;
        let begun = store.begin_launch(session, Some(self.campaign), "run", browser, now_unix_micros());
        let ending = match begun {
            Ok(()) => self.follow(&mut reports, &mut stopped).await,
            Err(error) => {
                self.ended("session-store", format!("cannot write to the history: {error}"), None);
                Ending::Aborted
            }
        };
        self.app.sessions.close(session);
        Past { session: session.clone(), ending, ended_unix_micros: now_unix_micros() }
    }

    async fn follow(
        &self,
        reports: &mut mpsc::UnboundedReceiver<Report>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Ending {
        let mut running = match self.launcher.open(&self.found, &self.url).await {
            Ok(running) => running,
            Err(error) => {
                let (_, hint) = crate::exit::verdict(&error);
                self.ended("browser-launch", format!("{error:#}"), hint);
                return Ending::ConnectionLost;
            }
        };
        let mut watch = JoinSet::new();
        if let Some(root) = running.root() {
            watch.spawn(watch_memory(root, self.connection, self.launch.number, self.happenings.clone()));
        }
        let mut is_up = false;
        let ending = loop {
            tokio::select! {
                // Reports first: what a browser said before it ended still counts.
                biased;
                report = reports.recv() => {
                    if let Some(Report::Fleet(report, buffers)) = report {
                        is_up = true;
                        self.tell(What::Report(report, buffers));
                    }
                }
                _ = &mut *stopped => break Ending::Finished,
                _ = running.ended() => {
                    // What it wrote tells why it did not start, and seldom why it ended.
                    let words = if is_up { String::new() } else { running.last_words() };
                    self.tell(What::Ended(browser_ended(&words)));
                    break Ending::ConnectionLost;
                }
            }
        };
        running.stop().await;
        ending
    }

    fn ended(&self, code: &str, message: String, hint: Option<&str>) {
        let mut fault = Fault::new(FaultCategory::ConnectionLost, code, message);
        fault.hint = hint.map(str::to_owned);
        self.tell(What::Ended(fault));
    }

    fn tell(&self, what: What) {
        let (connection, launch) = (self.connection, self.launch.number);
        // When the driver is gone, nobody has to know.
        self.happenings.send(Happening { connection, launch, what }).ok();
    }
}
