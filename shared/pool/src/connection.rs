//! Connections: what the driver says of them, and what the pool keeps about each.

use std::sync::Arc;

use crate::backoff::Backoff;
use crate::breaker::{Breaker, BreakerConfig};
use crate::named::named_enum;
use crate::recovery::Trial;
use crate::rng::Rng;
use crate::router::Entry;
use crate::sorted_map::SortedMap;
use crate::{Backend, BackendSet, CallId, Component, ConnectionId, GroupId, ModelId, Timestamp, health};

named_enum! {
    /// What stands behind a connection; decides how it can be replaced.
    pub enum ConnectionKind {
        /// A worker of this page.
        Worker = "worker",
        /// An iframe, in a process of its own where the browser allows.
        Iframe = "iframe",
        /// A whole browser.
        Browser = "browser",
    }
}

named_enum! {
    /// Where a connection is in its life.
    pub enum ConnectionState {
        /// Between two tries to open it: back-off is being waited.
        Waiting = "waiting",
        /// The driver is opening it.
        Opening = "opening",
        /// It takes calls.
        Ready = "ready",
        /// It finishes its calls and takes no new ones.
        Draining = "draining",
        /// It is gone for good.
        Closed = "closed",
    }
}

/// What the driver knows of a connection before opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// What stands behind it.
    pub kind: ConnectionKind,
    /// Short browser name, e.g. `firefox`: picks the breaker's defaults and groups measurements.
    pub browser: String,
    /// Connections of one domain share what can fail beneath them: one GPU process, one host.
    pub domain: u32,
    /// Whether it answers pings while a call runs. A worker computing in wasm does not; a browser's agent does.
    pub answers_while_busy: bool,
}

impl ConnectionSpec {
    /// A worker of a page in `browser`; all such workers share domain 0.
    #[must_use]
    pub fn worker(browser: &str) -> Self {
        Self {
            kind: ConnectionKind::Worker,
            browser: browser.to_owned(),
            domain: 0,
            answers_while_busy: false,
        }
    }

    /// A browser of a fleet, in a failure domain of its own or shared with others on its host.
    #[must_use]
    pub fn browser(browser: &str, domain: u32) -> Self {
        Self { kind: ConnectionKind::Browser, browser: browser.to_owned(), domain, answers_while_busy: true }
    }
}

/// What a connection turned out to be able to do, once open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Backends that work there.
    pub backends: BackendSet,
    /// GPU adapter or executor build, as one name; connections with equal browser and adapter share measurements.
    pub adapter: String,
    /// Whether the GPU adapter is a software one.
    pub is_fallback_adapter: bool,
    /// Calls it can serve at once; at least 1.
    pub capacity: u32,
    /// Memory that its models may take together, bytes; 0 when unknown. Models that no call uses make way for others, the
    /// least recently used first, and when more than this is reported to be in use.
    pub memory_limit_bytes: u64,
}

impl Capabilities {
    /// One call at a time on the given backends, nothing else known.
    #[must_use]
    pub const fn new(backends: BackendSet) -> Self {
        Self {
            backends,
            adapter: String::new(),
            is_fallback_adapter: false,
            capacity: 1,
            memory_limit_bytes: 0,
        }
    }
}

/// A model held by a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    /// Whether it ran since it was loaded. The first run compiles, allocates and warms up: FACTS saw 5 to 27 times the later
    /// ones. It teaches nothing about them.
    pub(crate) is_warm: bool,
    pub(crate) last_used: Timestamp,
    pub(crate) memory_bytes: u64,
}

/// How many times sooner than a backend a link is tried again.
const LINK_PROBES_PER_INTERVAL: u32 = 6;

/// Breaker parameters of one browser's connections.
#[derive(Debug, Clone)]
pub(crate) struct BreakerConfigs {
    /// For a link, opening is the probe: one decides, and it harms nobody, so that it may come sooner.
    transport: Arc<BreakerConfig>,
    other: Arc<BreakerConfig>,
}

impl BreakerConfigs {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        let transport =
            BreakerConfig { n_probes: 1, open: config.open / LINK_PROBES_PER_INTERVAL, ..config.clone() };
        Self { transport: Arc::new(transport), other: Arc::new(config) }
    }
}

/// One member of the pool.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) spec: ConnectionSpec,
    pub(crate) state: ConnectionState,
    pub(crate) group: GroupId,
    pub(crate) capabilities: Capabilities,
    /// Times it was opened.
    pub(crate) incarnation: u32,
    breakers: [Breaker; Component::ALL.len()],
    pub(crate) residents: SortedMap<(ModelId, Backend), Resident>,
    /// Calls that hold a slot.
    pub(crate) calls: Vec<CallId>,
    /// Calls that hold none: open, ping.
    pub(crate) side_calls: Vec<CallId>,
    /// Backends whose device is being recreated.
    pub(crate) repairing: BackendSet,
    /// Backends held back by an incident until it lets them return.
    pub(crate) suspended: BackendSet,
    /// Devices that could not be had since one could.
    pub(crate) n_device_failures: u32,
    pub(crate) backoff: Backoff,
    pub(crate) memory_bytes: u64,
    /// Use at which models were last unloaded for it, bytes.
    pub(crate) relieved_at_bytes: u64,
    /// Health when it was last lost.
    pub(crate) health_before: f64,
    pub(crate) ready_at: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) last_used: Timestamp,
    /// When the pending open is due, while waiting.
    pub(crate) open_at: Timestamp,
    pub(crate) heartbeat_at: Option<Timestamp>,
    /// The repair under way, and what it is for.
    pub(crate) repair: Option<Trial>,
    /// The repair that it is being taken down for.
    pub(crate) planned: Option<Trial>,
    /// The last repair that succeeded, and when.
    pub(crate) repaired: Option<(Trial, Timestamp)>,
    /// Models that were loaded again for a fault and have not shown since whether that helped.
    pub(crate) reloads: SortedMap<(ModelId, Backend), Trial>,
    /// Entries of the router's index that stand for this connection.
    pub(crate) indexed: Vec<Entry>,
    /// What the connection counts as serving, free or busy.
    pub(crate) served: Vec<(Option<ModelId>, Backend)>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        spec: ConnectionSpec,
        group: GroupId,
        configs: &BreakerConfigs,
        rng: &mut Rng,
        backoff: Backoff,
    ) -> Self {
        Self {
            id,
            spec,
            state: ConnectionState::Waiting,
            group,
            capabilities: Capabilities::new(BackendSet::NONE),
            incarnation: 0,
            breakers: core::array::from_fn(|component_index| {
                let is_transport = component_index == Component::Transport.index();
                let config = if is_transport { &configs.transport } else { &configs.other };
                Breaker::new(Arc::clone(config), rng.next_u64())
            }),
            residents: SortedMap::new(),
            calls: Vec::new(),
            side_calls: Vec::new(),
            repairing: BackendSet::NONE,
            suspended: BackendSet::NONE,
            n_device_failures: 0,
            backoff,
            memory_bytes: 0,
            relieved_at_bytes: 0,
            health_before: 0.0,
            ready_at: Timestamp::ZERO,
            last_seen: Timestamp::ZERO,
            last_used: Timestamp::ZERO,
            open_at: Timestamp::ZERO,
            heartbeat_at: None,
            repair: None,
            planned: None,
            repaired: None,
            reloads: SortedMap::new(),
            indexed: Vec::new(),
            served: Vec::new(),
        }
    }

    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// What the driver said of it.
    #[must_use]
    pub const fn spec(&self) -> &ConnectionSpec {
        &self.spec
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.state
    }

    /// What it can do; no backends before it was first ready.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Times it was opened.
    #[must_use]
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Calls in flight that hold a slot.
    #[must_use]
    pub fn n_in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Memory it last reported, bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Models it holds and the backends they are loaded on.
    pub fn residents(&self) -> impl Iterator<Item = (ModelId, Backend)> {
        self.residents.keys().copied()
    }

    /// The breaker of one component.
    #[must_use]
    pub const fn breaker(&self, component: Component) -> &Breaker {
        &self.breakers[component.index()]
    }

    pub(crate) const fn breaker_mut(&mut self, component: Component) -> &mut Breaker {
        &mut self.breakers[component.index()]
    }

    /// Health of one component, 0–100.
    #[must_use]
    pub fn component_health(&mut self, now: Timestamp, component: Component) -> f64 {
        health::of_breaker(self.breaker_mut(component), now)
    }

    /// Health of the connection, 0–100: its link, or its best backend when that is worse; 0 when not open.
    #[must_use]
    pub fn health(&mut self, now: Timestamp) -> f64 {
        if !matches!(self.state, ConnectionState::Ready | ConnectionState::Draining) {
            return 0.0;
        }
        let transport = self.component_health(now, Component::Transport);
        let best = self
            .capabilities
            .backends
            .iter()
            .map(|backend| self.component_health(now, backend.component()))
            .fold(0.0, f64::max);
        transport.min(best)
    }

    /// Whether calls may be sent to `backend` now, probes aside.
    pub(crate) fn is_serving(&self, backend: Backend) -> bool {
        self.is_reachable(backend) && self.breaker(backend.component()).is_passing()
    }

    /// Whether `backend` is there, whatever its breaker says.
    pub(crate) fn is_reachable(&self, backend: Backend) -> bool {
        self.state == ConnectionState::Ready
            && self.capabilities.backends.contains(backend)
            && !self.repairing.contains(backend)
            && !self.suspended.contains(backend)
            && self.breaker(Component::Transport).is_passing()
    }

    pub(crate) fn has_free_slot(&self) -> bool {
        self.calls.len() < self.capabilities.capacity as usize
    }
}
