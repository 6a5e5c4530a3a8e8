//! What a bench page has done so far, from its reports: decides which case to blame and where to go on.

use wire::{Adapter, BenchEvent, Fault, FaultCategory, Profile, Trial};

use crate::bench::plan::PlannedCase;
use crate::golden::compare::Check;
use crate::server::session::Report;
use crate::store::Ending;

/// A case that an engine could not finish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CaseFault {
    /// Index of the case in the session's plan.
    pub(crate) case: usize,
    /// `tabpool` or a peer.
    pub(crate) engine: String,
    /// Why.
    pub(crate) fault: Fault,
}

/// The comparison of one engine's outputs of one case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CaseCheck {
    /// Index of the case in the session's plan.
    pub(crate) case: usize,
    /// `tabpool` or a peer.
    pub(crate) engine: String,
    /// The comparison.
    pub(crate) check: Check,
}

/// Variants of a case's kernels, measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CaseTuning {
    /// Index of the case in the session's plan.
    pub(crate) case: usize,
    /// On what.
    pub(crate) adapter: Adapter,
    /// What came of each.
    pub(crate) trials: Vec<Trial>,
}

/// Progress of one page through its plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    n_rounds: Vec<u32>,
    /// The case in work: the last one whose inputs the page asked for.
    current: Option<usize>,
    /// Rounds of the current case that tabpool has done.
    n_done: u32,
    /// The most memory that an engine's cold start took, in bytes, with its case.
    pub(crate) memories: Vec<(usize, String, u64)>,
    /// Cases that could not be finished.
    pub(crate) faults: Vec<CaseFault>,
    /// Outputs compared.
    pub(crate) checks: Vec<CaseCheck>,
    /// Where the time of a run went, with its case.
    pub(crate) profiles: Vec<(usize, Profile)>,
    /// Kernel variants measured.
    pub(crate) tunings: Vec<CaseTuning>,
    /// How it ended, once it has.
    pub(crate) ending: Option<Ending>,
    /// Why the page gave up, when it did.
    pub(crate) abort: Option<Fault>,
    /// When it said its first word, microseconds since the Unix epoch.
    pub(crate) ready_unix_micros: Option<i64>,
}

impl Page {
    /// A page that has done nothing yet of `cases`.
    pub(crate) fn new(cases: &[PlannedCase]) -> Self {
        Self {
            n_rounds: cases.iter().map(PlannedCase::n_rounds).collect(),
            current: None,
            n_done: 0,
            memories: Vec::new(),
            faults: Vec::new(),
            checks: Vec::new(),
            profiles: Vec::new(),
            tunings: Vec::new(),
            ending: None,
            abort: None,
            ready_unix_micros: None,
        }
    }

    /// Takes one report in.
    pub(crate) fn on_report(&mut self, report: Report) {
        match report {
            Report::CaseBegun(case) => {
                self.current = Some(case);
                self.n_done = 0;
            }
            Report::Output { case, engine, check } => self.checks.push(CaseCheck { case, engine, check }),
            Report::Event(BenchEvent::Progress { case, n_done }) if self.current == Some(case as usize) => {
                self.n_done = n_done;
            }
            Report::Event(BenchEvent::CaseFailed { case, engine, fault }) => {
                self.faults.push(CaseFault { case: case as usize, engine, fault });
            }
            Report::Event(BenchEvent::Profiled { case, profile }) => {
                self.profiles.push((case as usize, profile))
            }
            Report::Event(BenchEvent::Tuned { case, adapter, trials }) => {
                self.tunings.push(CaseTuning { case: case as usize, adapter, trials });
            }
            Report::Event(BenchEvent::Finished) => self.ending = Some(Ending::Finished),
            Report::Event(BenchEvent::Aborted { fault }) => {
                self.ending = Some(Ending::Aborted);
                self.abort = Some(fault);
            }
            Report::Sign
            | Report::Capabilities(_)
            | Report::Fleet(..)
            | Report::Event(
                BenchEvent::Started | BenchEvent::Progress { .. } | BenchEvent::ColdStart { .. },
            ) => {}
        }
    }

    /// The page or its browser is gone for this reason.
    pub(crate) fn on_lost(&mut self, ending: Ending, fault: Fault) {
        self.ending = Some(ending);
        self.abort = Some(fault);
    }

    /// The case in work.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Rounds done of all cases so far, for a progress bar.
    pub(crate) fn n_done(&self) -> u64 {
        let Some(current) = self.current else { return 0 };
        let before: u64 = self.n_rounds.iter().take(current).map(|&n| u64::from(n)).sum();
        before + u64::from(self.n_done)
    }

    /// Closes the books on a page that has ended: blames what it left unfinished on the reason of the end, and gives the
    /// index of the first case that is still to be tried elsewhere.
    ///
    /// A page that never began a case would not do better a second time: all its cases failed. One that was lost in the
    /// middle loses the case in work, and the others can be tried again.
    pub(crate) fn settle(&mut self, peers: &[String]) -> usize {
        let n_cases = self.n_rounds.len();
        let Some(fault) = self.abort.clone() else { return n_cases };
        if self.ending == Some(Ending::Interrupted) {
            return n_cases;
        }
        let Some(current) = self.current else {
            for case in 0..n_cases {
                self.blame(case, "tabpool", &fault);
            }
            return n_cases;
        };
        let ours_done = self.n_rounds.get(current).is_none_or(|&n| self.n_done >= n);
        if !ours_done {
            self.blame(current, "tabpool", &fault);
        }
        for peer in peers {
            self.blame(current, peer, &fault);
        }
        current + 1
    }

    fn blame(&mut self, case: usize, engine: &str, fault: &Fault) {
        if !self.faults.iter().any(|known| known.case == case && known.engine == engine) {
            self.faults.push(CaseFault { case, engine: engine.to_owned(), fault: fault.clone() });
        }
    }
}

/// The fault of a page that said nothing for `seconds`.
pub(crate) fn silent(seconds: u64) -> Fault {
    Fault::new(FaultCategory::Timeout, "page-silent", format!("the page reported nothing for {seconds} s"))
        .with_hint("a slow machine may need a longer --timeout")
}

/// The fault of a browser that ended by itself.
pub(crate) fn browser_ended(last_words: &str) -> Fault {
    let said = if last_words.is_empty() { String::new() } else { format!("; its last words: {last_words}") };
    Fault::new(FaultCategory::ConnectionLost, "browser-ended", format!("the browser ended by itself{said}"))
}

#[cfg(test)]
mod tests;
