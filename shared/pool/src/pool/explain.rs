//! Why a job goes where it goes: every candidate with every term.

use core::fmt;
use core::time::Duration;

use super::Pool;
use super::estimate::{Task, has_loader};
use crate::connection::{Connection, ConnectionState};
use crate::named::named_enum;
use crate::sort::sort;
use crate::time::micros;
use crate::{Backend, Component, ConnectionId, Job, JobId, Timestamp};

named_enum! {
    /// Why a place is out of the question for a job now.
    pub enum Exclusion {
        /// The job or its model does not allow the backend, or it is pinned elsewhere.
        NotAllowed = "not_allowed",
        /// The connection is not open.
        NotReady = "not_ready",
        /// The connection lacks the backend.
        NoBackend = "no_backend",
        /// The backend lacks an operator of the model.
        Unsupported = "unsupported",
        /// The component's breaker does not pass ordinary calls, or an incident or repair holds it.
        NotServing = "not_serving",
        /// The model would have to be loaded, and the connection's loader is not trusted.
        LoaderDown = "loader_down",
        /// The model would have to be loaded, and failed to load on several connections.
        ModelHeld = "model_held",
        /// The model fits neither into free memory nor into what could be freed.
        NoMemory = "no_memory",
        /// The model's family has its share of the slots while another one is about.
        FamilyFull = "family_full",
    }
}

/// One place for a job, and what speaks for and against it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The connection.
    pub connection: ConnectionId,
    /// The backend.
    pub backend: Backend,
    /// Expected time until the result: `wait + load + run`, the run weighed by health.
    pub total: Duration,
    /// Expected time until a slot is free.
    pub wait: Duration,
    /// Expected time to load the model; zero where it is loaded.
    pub load: Duration,
    /// Expected time of the run, at full health.
    pub run: Duration,
    /// Standard error of ln(run): above 1 little is known.
    pub uncertainty_ln: f64,
    /// How many times slower than its group the member is; 1 unless that is certain.
    pub member_factor: f64,
    /// Health of the component, 0–100; the run counts 100 / health times.
    pub health: f64,
    /// Why it is out of the question.
    pub exclusion: Option<Exclusion>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, backend, total, wait, load, run, .. } = self;
        let [total, wait, load, run] =
            [total, wait, load, run].map(|time| Tenths::of(time.as_secs_f64() * 1e3));
        write!(f, "{backend} on {connection}: {total} ms = wait {wait} + load {load} + run {run}")?;
        write!(f, " at health {}", self.health.round() as u32)?;
        if self.member_factor != 1.0 {
            write!(f, ", {} times its group", Tenths::of(self.member_factor))?;
        }
        if self.uncertainty_ln > 1.0 {
            f.write_str(", a guess")?;
        }
        match self.exclusion {
            Some(exclusion) => write!(f, "; out of the question: {}", exclusion.reason()),
            None => Ok(()),
        }
    }
}

/// A number with one decimal. (Formatting floats in general takes ten times the code.)
struct Tenths(u64);

impl Tenths {
    fn of(number: f64) -> Self {
        Self((number * 10.0).round() as u64)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Exclusion {
    const fn reason(self) -> &'static str {
        match self {
            Self::NotAllowed => "the job or its model does not allow it",
            Self::NotReady => "the connection is not open",
            Self::NoBackend => "the connection lacks the backend",
            Self::Unsupported => "the backend lacks an operator of the model",
            Self::NotServing => "its breaker, a repair or an incident holds it",
            Self::LoaderDown => "its loader failed and is not trusted yet",
            Self::ModelHeld => "loads of the model failed on several connections and are held back",
            Self::NoMemory => "the model does not fit into memory",
            Self::FamilyFull => "the model's family has its share of the slots",
        }
    }
}

impl Pool {
    /// A job that has not ended.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id.0).map(|entry| &entry.job)
    }

    /// Every connection and backend with what it would mean for `job`, best first, those out of the question last.
    /// Placing compares the same terms, one candidate per group, and now and then tries another one to learn.
    #[must_use]
    pub fn explain(&mut self, now: Timestamp, job: &Job) -> Vec<Candidate> {
        if self.model(job.model).is_none() {
            return Vec::new();
        }
        let ids: Vec<ConnectionId> = self.connections().map(|connection| connection.id).collect();
        let places = ids.iter().flat_map(|&id| Backend::ALL.iter().map(move |&backend| (id, backend)));
        let mut candidates: Vec<Candidate> =
            places.filter_map(|(id, backend)| self.candidate(now, job, id, backend)).collect();
        sort(&mut candidates, |a, b| {
            let order = |c: &Candidate| (c.exclusion.is_some(), c.total, c.connection, c.backend);
            order(a) < order(b)
        });
        candidates
    }

    fn candidate(
        &mut self,
        now: Timestamp,
        job: &Job,
        id: ConnectionId,
        backend: Backend,
    ) -> Option<Candidate> {
        let health = self.component_health(now, id, backend.component());
        let connection = self.connection(id)?;
        let task = Task::new(job.model, job.shape, 1);
        let estimate = self.estimate(task, backend, connection.group);
        let member_ln = self.latencies.member_offset(id, backend);
        let run_micros = (estimate.mean_ln + member_ln).exp();
        let is_loaded = connection.residents.contains_key(&(job.model, backend));
        let load_median = self.latencies.load(job.model, backend).median();
        let load = match self.load_under_way(connection, job.model, backend) {
            _ if is_loaded => Duration::ZERO,
            // That is what the slot is waited for.
            Some(_) if !connection.has_free_slot() => Duration::ZERO,
            Some(call) => load_median.saturating_sub(now.since(call.started)),
            None => load_median,
        };
        let wait = self.slot_wait(now, connection);
        let weighed = Duration::from_micros((run_micros * 100.0 / health.max(1.0)) as u64);
        Some(Candidate {
            connection: id,
            backend,
            total: wait + load + weighed,
            wait,
            load,
            run: Duration::from_micros(run_micros as u64),
            uncertainty_ln: estimate.uncertainty_ln(now, self.latencies.config()),
            member_factor: member_ln.exp(),
            health,
            exclusion: self.exclusion(now, job, connection, backend),
        })
    }

    /// Time until the first of a connection's calls should end; zero with a free slot.
    fn slot_wait(&self, now: Timestamp, connection: &Connection) -> Duration {
        if connection.has_free_slot() {
            return Duration::ZERO;
        }
        let calls = connection.calls.iter().filter_map(|call| self.calls.get(call.0));
        let left = calls.filter_map(|call| {
            let (model, backend) = (call.model?, call.backend?);
            let task = Task::new(model, call.shape, call.jobs.len());
            let run_micros = self.cost_ln(task, connection.id, backend).exp();
            let load_micros = micros(self.latencies.load(model, backend).median()) as f64;
            let expected = if call.component == Component::Loader { load_micros } else { run_micros };
            Some(Duration::from_micros(expected as u64).saturating_sub(now.since(call.started)))
        });
        left.min().unwrap_or_default()
    }

    fn exclusion(
        &self,
        now: Timestamp,
        job: &Job,
        connection: &Connection,
        backend: Backend,
    ) -> Option<Exclusion> {
        let model = &self.models[job.model.0 as usize];
        let is_there = connection.residents.contains_key(&(job.model, backend))
            || self.load_under_way(connection, job.model, backend).is_some();
        let is_allowed = job.backends.and(model.spec.backends).contains(backend);
        if !is_allowed || job.pinned.is_some_and(|pinned| pinned != connection.id) {
            Some(Exclusion::NotAllowed)
        } else if connection.state != ConnectionState::Ready {
            Some(Exclusion::NotReady)
        } else if !connection.capabilities.backends.contains(backend) {
            Some(Exclusion::NoBackend)
        } else if model.unsupported.contains(&(connection.group, backend)) {
            Some(Exclusion::Unsupported)
        } else if !connection.is_serving(backend) {
            Some(Exclusion::NotServing)
        } else if !is_there && !has_loader(connection) {
            Some(Exclusion::LoaderDown)
        } else if !is_there && !self.is_loadable(job.model) {
            Some(Exclusion::ModelHeld)
        } else if !is_there && !self.has_memory(connection, job.model, backend) {
            Some(Exclusion::NoMemory)
        } else if self.is_family_full(now, job.model) {
            Some(Exclusion::FamilyFull)
        } else {
            None
        }
    }
}
