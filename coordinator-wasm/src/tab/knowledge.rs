//! What the pool knows from before: evidence of earlier visits and the agent's advice, and what it leaves behind.

use core::time::Duration;
use std::str::FromStr;

use pool::{ConnectionId, Estimate, ModelId, RoutingConfig, ShapeClass, StrategyRecord, UnknownName, micros};
use wasm_bindgen::prelude::*;
use web_sys::EventTarget;
use wire::evidence::{BreakerEvidence, LatencyEvidence, StrategyEvidence};
use wire::{EVIDENCE_VERSION, Evidence};

use super::{Tab, now};
use crate::advice::Prior;
use crate::clock::unix_micros;
use crate::evidence::Drawer;
use crate::guard::{Listener, Timer};
use crate::object::object;
use crate::translate::{to_pool_backend, to_pool_category, to_wire_backend, to_wire_category};

/// Time from the first change to the next saving, milliseconds.
const SAVE_AFTER_MILLIS: f64 = 5000.0;
/// Most that advice weighs against what this pool measures itself, in calls.
const ADVICE_WEIGHT: f64 = 4.0;
/// Spread of ln(latency) that advice is taken to have: cases and machines differ.
const ADVICE_DEVIATION_LN: f64 = 0.5;

/// Knowledge that waits for the model or connection that it is about.
#[derive(Default)]
pub(super) struct Knowledge {
    drawer: Option<Drawer>,
    /// Of what was read, and when that was.
    read_unix_micros: i64,
    latencies: Vec<LatencyEvidence>,
    breakers: Vec<BreakerEvidence>,
    priors: Vec<Prior>,
    n_restored: usize,
    n_advised: usize,
    evidence_problem: Option<String>,
    advice_problem: Option<String>,
    saving: Option<Timer>,
    on_pagehide: Option<Listener>,
}

impl Tab {
    /// Takes up what an earlier page has left in `drawer`, and keeps there what this one learns.
    pub(crate) fn remember(&mut self, drawer: Drawer) {
        let kept = drawer.open();
        self.knowledge.drawer = Some(drawer);
        if let Ok(target) = js_sys::global().dyn_into::<EventTarget>() {
            let shell = self.shell.clone();
            let on_pagehide = move |_| {
                if let Some(shell) = shell.upgrade() {
                    shell.feed(Self::save);
                }
            };
            self.knowledge.on_pagehide = Some(Listener::new(&target, "pagehide", on_pagehide));
        }
        match kept {
            Ok(None) => {}
            Ok(Some(evidence)) => self.restore(evidence),
            Err(problem) => self.knowledge.evidence_problem = Some(problem),
        }
    }

    fn restore(&mut self, evidence: Evidence) {
        let read_unix_micros = unix_micros();
        let away_micros =
            u64::try_from(read_unix_micros.saturating_sub(evidence.saved_unix_micros)).unwrap_or_default();
        let Evidence { mut latencies, mut breakers, strategies, .. } = evidence;
        self.knowledge.n_restored = latencies.len() + breakers.len() + strategies.len();
        for latency in &mut latencies {
            latency.age_micros = latency.age_micros.saturating_add(away_micros);
        }
        for breaker in &mut breakers {
            breaker.open_micros = breaker.open_micros.map(|micros| micros.saturating_sub(away_micros));
        }
        for strategy in strategies {
            // A name of another version says nothing here.
            if let Ok(strategy) = to_pool_strategy(&strategy) {
                self.machine.seed_strategy(strategy);
            }
        }
        self.knowledge.read_unix_micros = read_unix_micros;
        self.knowledge.latencies = latencies;
        self.knowledge.breakers = breakers;
    }

    /// Takes up what the agent's history says.
    pub(crate) fn take_advice(&mut self, priors: Result<Vec<Prior>, String>) {
        match priors {
            Ok(priors) => self.knowledge.priors = priors,
            Err(problem) => self.knowledge.advice_problem = Some(problem),
        }
        for model in self.models.iter().map(|(model, _)| model).collect::<Vec<_>>() {
            self.advise(model);
        }
    }

    /// A model was registered: what is known of it goes into the pool.
    pub(super) fn recall_model(&mut self, model: ModelId, name: &str) {
        let latencies = core::mem::take(&mut self.knowledge.latencies);
        let (own, others) = latencies.into_iter().partition(|latency| latency.model == name);
        self.knowledge.latencies = others;
        let routing = RoutingConfig::default();
        for latency in own {
            let estimate = Estimate {
                weight: latency.weight,
                mean_ln: latency.mean_ln,
                variance_ln: latency.variance_ln,
                updated_at: now(),
            };
            let evidence = pool::LatencyEvidence {
                model,
                backend: to_pool_backend(latency.backend),
                place: latency.place,
                shape: latency.shape.map(|(class, batch)| (ShapeClass(class), batch)),
                estimate: estimate.faded(Duration::from_micros(latency.age_micros), &routing),
            };
            self.machine.seed_latency(now(), &evidence);
        }
        self.advise(model);
    }

    /// A connection was opened for the first time: its breakers stand where they stood.
    pub(super) fn recall_connection(&mut self, id: ConnectionId) {
        let breakers = core::mem::take(&mut self.knowledge.breakers);
        let (own, others) = breakers.into_iter().partition(|breaker| breaker.connection == id.0);
        self.knowledge.breakers = others;
        for breaker in own {
            if let Ok(component) = breaker.component.parse() {
                let evidence = pool::BreakerEvidence {
                    connection: id,
                    browser: breaker.browser,
                    component,
                    n_openings: breaker.n_openings,
                    open_for: breaker.open_micros.map(Duration::from_micros),
                };
                self.machine.seed_breaker(now(), &evidence);
            }
        }
    }

    /// Puts the agent's medians in where nothing was measured: the geometric mean over a model's cases.
    fn advise(&mut self, id: ModelId) {
        let Some(model) = self.models.get(id) else { return };
        for backend in wire::Backend::ALL {
            let is_about = |prior: &&Prior| prior.model == model.id && prior.backend == backend;
            let about = || self.knowledge.priors.iter().filter(is_about);
            let n_runs: f64 = about().map(|prior| prior.n_runs).sum();
            let n_cases = about().count();
            if n_cases == 0 {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "cases are few")]
            let mean_ln = about().map(|prior| prior.median_micros.ln()).sum::<f64>() / n_cases as f64;
            let estimate = Estimate {
                mean_ln,
                ..Estimate::of(Duration::ZERO, ADVICE_DEVIATION_LN, n_runs.min(ADVICE_WEIGHT))
            };
            let backend = to_pool_backend(backend);
            let evidence = pool::LatencyEvidence { model: id, backend, place: None, shape: None, estimate };
            self.machine.seed_latency(now(), &evidence);
            self.knowledge.n_advised += 1;
        }
    }

    /// Something was learnt: it is saved soon.
    pub(super) fn save_soon(&mut self) {
        if self.knowledge.drawer.is_some() && self.knowledge.saving.is_none() && !self.is_closed {
            let shell = self.shell.clone();
            self.knowledge.saving = Some(Timer::new(SAVE_AFTER_MILLIS, move || {
                if let Some(shell) = shell.upgrade() {
                    shell.feed(Self::save);
                }
            }));
        }
    }

    /// Leaves what was learnt for the next page.
    pub(crate) fn save(&mut self) {
        self.knowledge.saving = None;
        // Closed connections have no breakers any more.
        let Some(drawer) = self.knowledge.drawer.clone().filter(|_| !self.is_closed) else { return };
        self.knowledge.evidence_problem = drawer.put(&self.evidence()).err();
    }

    fn evidence(&self) -> Evidence {
        let saved_unix_micros = unix_micros();
        let waited_micros =
            u64::try_from(saved_unix_micros - self.knowledge.read_unix_micros).unwrap_or_default();
        let strategies = self.machine.strategies().map(|known| StrategyEvidence {
            category: to_wire_category(known.category),
            component: known.component.to_string(),
            strategy: known.strategy.to_string(),
            n_helped: known.record.n_helped,
            n_failed: known.record.n_failed,
            mean_seconds: known.record.mean_seconds,
            impact: Some(known.record.impact),
            stability: known.record.stability,
        });
        let breakers = self.machine.breakers(now()).into_iter().map(|known| BreakerEvidence {
            connection: known.connection.0,
            browser: known.browser,
            component: known.component.to_string(),
            n_openings: known.n_openings,
            open_micros: known.open_for.map(micros),
        });
        let measured = self.machine.latencies().filter_map(|known| {
            Some(LatencyEvidence {
                model: self.machine.model(known.model)?.name.clone(),
                backend: to_wire_backend(known.backend),
                place: known.place,
                shape: known.shape.map(|(class, batch)| (class.0, batch)),
                weight: known.estimate.weight,
                mean_ln: known.estimate.mean_ln,
                variance_ln: known.estimate.variance_ln,
                age_micros: micros(now().since(known.estimate.updated_at)),
            })
        });
        // What nothing was asked of this time stays known.
        let waiting = self.knowledge.latencies.iter().map(|latency| LatencyEvidence {
            age_micros: latency.age_micros.saturating_add(waited_micros),
            ..latency.clone()
        });
        Evidence {
            version: EVIDENCE_VERSION,
            saved_unix_micros,
            breakers: breakers.collect(),
            latencies: measured.chain(waiting).collect(),
            strategies: strategies.collect(),
        }
    }

    /// `knowledge` of `PoolStats`.
    pub(super) fn knowledge_stats(&self) -> JsValue {
        let problem = |problem: &Option<String>| problem.as_deref().map_or(JsValue::NULL, JsValue::from);
        let knowledge = &self.knowledge;
        let part = |n: usize, trouble| object(&[("n", (n as u32).into()), ("problem", problem(trouble))]);
        object(&[
            ("evidence", part(knowledge.n_restored, &knowledge.evidence_problem)),
            ("advice", part(knowledge.n_advised, &knowledge.advice_problem)),
        ])
    }
}

fn to_pool_strategy(known: &StrategyEvidence) -> Result<pool::StrategyEvidence, UnknownName> {
    let strategy = pool::Strategy::from_str(&known.strategy)?;
    Ok(pool::StrategyEvidence {
        category: to_pool_category(known.category),
        component: pool::Component::from_str(&known.component)?,
        strategy,
        record: StrategyRecord {
            n_helped: known.n_helped,
            n_failed: known.n_failed,
            mean_seconds: known.mean_seconds,
            impact: known.impact.unwrap_or_else(|| strategy.prior_impact()),
            stability: known.stability,
        },
    })
}
