//! What decides in a simulated fleet: the pool, or a policy that it is compared with.

use pool::{
    Action, BreakerMode, CallId, Capabilities, Component, ConnectionId, ConnectionSpec, FaultCategory, Job,
    JobId, Measured, ModelId, ModelSpec, Pool, Refusal, Timestamp,
};

/// The driver's side of a [`Pool`], so that other policies can stand in for it.
pub(crate) trait Brain {
    fn register_model(&mut self, spec: ModelSpec) -> ModelId;
    fn add_connection(&mut self, now: Timestamp, spec: ConnectionSpec) -> ConnectionId;
    fn start(&mut self, now: Timestamp);
    fn submit(&mut self, now: Timestamp, job: Job) -> Result<JobId, Refusal>;
    fn cancel(&mut self, now: Timestamp, job: JobId);
    fn on_ready(&mut self, now: Timestamp, call: CallId, capabilities: Capabilities);
    fn on_finished(&mut self, now: Timestamp, call: CallId, measured: Measured);
    fn on_failed(&mut self, now: Timestamp, call: CallId, category: FaultCategory);
    fn on_connection_lost(&mut self, now: Timestamp, connection: ConnectionId, category: FaultCategory);
    /// Policies without a use for memory leave it out, and those without breakers the operator's hand on one.
    fn on_memory(&mut self, _now: Timestamp, _connection: ConnectionId, _memory_bytes: u64) {}
    fn set_breaker_mode(
        &mut self,
        _now: Timestamp,
        _connection: ConnectionId,
        _component: Component,
        _mode: BreakerMode,
    ) {
    }
    fn handle_timeout(&mut self, now: Timestamp);
    fn poll_timeout(&self) -> Option<Timestamp>;
    fn poll_action(&mut self) -> Option<Action>;
}

impl Brain for Pool {
    fn register_model(&mut self, spec: ModelSpec) -> ModelId {
        self.register_model(spec)
    }
    fn add_connection(&mut self, now: Timestamp, spec: ConnectionSpec) -> ConnectionId {
        self.add_connection(now, spec)
    }
    fn start(&mut self, now: Timestamp) {
        self.start(now);
    }
    fn submit(&mut self, now: Timestamp, job: Job) -> Result<JobId, Refusal> {
        self.submit(now, job)
    }
    fn cancel(&mut self, now: Timestamp, job: JobId) {
        self.cancel(now, job);
    }
    fn on_ready(&mut self, now: Timestamp, call: CallId, capabilities: Capabilities) {
        self.on_ready(now, call, capabilities);
    }
    fn on_finished(&mut self, now: Timestamp, call: CallId, measured: Measured) {
        self.on_finished(now, call, measured);
    }
    fn on_failed(&mut self, now: Timestamp, call: CallId, category: FaultCategory) {
        self.on_failed(now, call, category);
    }
    fn on_connection_lost(&mut self, now: Timestamp, connection: ConnectionId, category: FaultCategory) {
        self.on_connection_lost(now, connection, category);
    }
    fn on_memory(&mut self, now: Timestamp, connection: ConnectionId, memory_bytes: u64) {
        self.on_memory(now, connection, memory_bytes);
    }
    fn set_breaker_mode(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        component: Component,
        mode: BreakerMode,
    ) {
        self.set_breaker_mode(now, connection, component, mode);
    }
    fn handle_timeout(&mut self, now: Timestamp) {
        self.handle_timeout(now);
    }
    fn poll_timeout(&self) -> Option<Timestamp> {
        self.poll_timeout()
    }
    fn poll_action(&mut self) -> Option<Action> {
        self.poll_action()
    }
}
