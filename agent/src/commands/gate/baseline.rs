//! Which earlier runs a campaign is compared with.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use stats::cluster::WINDOW;

use crate::cli::age;
use crate::exit::Failure;
use crate::store::Campaign;

/// The gate's verdicts on a campaign, and that of a person who knows better.
pub(super) const PASS: &str = "pass";
pub(super) const FAIL: &str = "fail";
pub(super) const NOT_ENOUGH_DATA: &str = "not-enough-data";
pub(super) const ACCEPTED: &str = "accepted";

/// How to find the baseline of each series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// The latest campaign before the candidate that measured the series.
    Last,
    /// The latest ones before it on the present level that the gate did not fail; those that it did not judge count only
    /// while no earlier one was judged. Beside them the first such ones, of all or since one was accepted: small steps must
    /// not add up unseen.
    Good,
    /// The latest ones before it on this branch and on the present level.
    Branch(String),
    /// The latest ones before it with this label.
    Label(String),
    /// The latest ones before it at this commit, which may be shortened.
    Commit(String),
    /// This one.
    Campaign(i64),
    /// All that began in so much time before the candidate.
    Window(Duration),
}

/// A baseline among the campaigns of a history.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidates<'a> {
    baseline: &'a Baseline,
    /// Campaigns that may be part of it, oldest first.
    ids: Vec<i64>,
}

/// The campaigns that one series is compared with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Oldest first.
    pub(super) baseline: Vec<i64>,
    /// The first good ones, when they are others.
    pub(super) anchor: Vec<i64>,
}

impl FromStr for Baseline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            "a baseline is last, good, branch:NAME, label:NAME, commit:HASH, campaign:ID or window:AGE, e.g. window:30d"
                .to_owned()
        };
        match text.split_once(':') {
            None if text == "last" => Ok(Self::Last),
            None if text == "good" => Ok(Self::Good),
            Some(("branch", name)) if !name.is_empty() => Ok(Self::Branch(name.to_owned())),
            Some(("label", name)) if !name.is_empty() => Ok(Self::Label(name.to_owned())),
            Some(("commit", hash)) if hash.len() >= 4 => Ok(Self::Commit(hash.to_owned())),
            Some(("campaign", id)) => id.parse().map(Self::Campaign).map_err(|_not_a_number| unknown()),
            Some(("window", text)) => age(text).map(Self::Window),
            Some(_) | None => Err(unknown()),
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => write!(formatter, "the last campaign before"),
            Self::Good => write!(formatter, "the last good campaigns"),
            Self::Branch(branch) => write!(formatter, "the last campaigns on branch {branch}"),
            Self::Label(label) => write!(formatter, "the campaigns labelled {label}"),
            Self::Commit(hash) => write!(formatter, "the campaigns at commit {hash}"),
            Self::Campaign(id) => write!(formatter, "campaign {id}"),
            Self::Window(window) => {
                write!(formatter, "the campaigns of {} hours before", window.as_secs() / 3600)
            }
        }
    }
}

impl Baseline {
    /// The campaigns before the candidate that may be its baseline.
    ///
    /// # Errors
    /// No campaign at all has the label, the commit, the branch or the id.
    pub(super) fn among(
        &self,
        campaigns: &[Campaign],
        candidate: &Campaign,
    ) -> anyhow::Result<Candidates<'_>> {
        let is_good = *self == Self::Good;
        let is_accepted = |campaign: &Campaign| campaign.verdict.as_deref() == Some(ACCEPTED);
        let since = if is_good { campaigns.iter().rposition(is_accepted).unwrap_or(0) } else { 0 };
        let campaigns = &campaigns[since..];
        let first_judged = campaigns.iter().find(|campaign| campaign.verdict.is_some());
        let is_meant = |campaign: &&Campaign| match self {
            Self::Last => true,
            Self::Good => match &campaign.verdict {
                Some(verdict) => verdict != FAIL,
                None => first_judged.is_none_or(|first| campaign.id < first.id),
            },
            Self::Branch(branch) => campaign.branch.as_ref() == Some(branch),
            Self::Label(label) => campaign.label.as_ref() == Some(label),
            Self::Commit(hash) => {
                campaign.git_commit.as_ref().is_some_and(|commit| commit.starts_with(hash.as_str()))
            }
            Self::Campaign(id) => campaign.id == *id,
            Self::Window(window) => {
                let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
                campaign.started_unix_micros >= candidate.started_unix_micros.saturating_sub(window)
            }
        };
        let mut ids: Vec<i64> = campaigns.iter().filter(is_meant).map(|campaign| campaign.id).collect();
        if is_good && ids.is_empty() {
            let is_unjudged = |campaign: &&Campaign| campaign.verdict.is_none();
            ids.extend(campaigns.iter().filter(is_unjudged).map(|campaign| campaign.id));
            return Ok(Candidates { baseline: self, ids });
        }
        if ids.is_empty() && !matches!(self, Self::Last | Self::Window(_)) {
            let failure = Failure::environment(format!("{self}: there are none before {}", candidate.name()));
            return Err(failure.hint("see `tabpool history --group-by campaign`").into());
        }
        Ok(Candidates { baseline: self, ids })
    }
}

impl Candidates<'_> {
    /// What a series is compared with: `measured` are the campaigns before the candidate that have it, `on_level` those on
    /// its present level.
    pub(super) fn choose(&self, measured: &[i64], on_level: &[i64]) -> Chosen {
        let ids: Vec<i64> = self.ids.iter().copied().filter(|id| measured.contains(id)).collect();
        let latest = |ids: &[i64], n: usize| ids[ids.len().saturating_sub(n)..].to_vec();
        let level: Vec<i64> = ids.iter().copied().filter(|id| on_level.contains(id)).collect();
        let baseline = match self.baseline {
            Baseline::Good | Baseline::Branch(_) if !level.is_empty() => latest(&level, WINDOW),
            Baseline::Last | Baseline::Good | Baseline::Branch(_) => latest(&ids, 1),
            Baseline::Label(_) | Baseline::Commit(_) => latest(&ids, WINDOW),
            Baseline::Campaign(_) | Baseline::Window(_) => ids.clone(),
        };
        let is_good = *self.baseline == Baseline::Good;
        let anchor = if is_good && ids.len() > WINDOW { ids[..WINDOW].to_vec() } else { Vec::new() };
        Chosen { baseline, anchor }
    }
}
