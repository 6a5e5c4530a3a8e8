//! Which earlier runs a campaign is compared with.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::age;
use crate::exit::Failure;
use crate::store::{Campaign, Point};

/// The gate's verdict on a campaign that is good.
pub(super) const PASS: &str = "pass";

/// How to find the baseline of each series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// The latest campaign before the candidate that measured the series.
    Last,
    /// The latest one before it that passed the gate; until one has, the first.
    Good,
    /// The latest one before it on this branch.
    Branch(String),
    /// The latest one before it with this label.
    Label(String),
    /// The latest one before it at this commit, which may be shortened.
    Commit(String),
    /// This one.
    Campaign(i64),
    /// All that began in so much time before the candidate.
    Window(Duration),
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
            Self::Good => write!(formatter, "the last campaign that passed"),
            Self::Branch(branch) => write!(formatter, "the last campaign on branch {branch}"),
            Self::Label(label) => write!(formatter, "the last campaign labelled {label}"),
            Self::Commit(hash) => write!(formatter, "the last campaign at commit {hash}"),
            Self::Campaign(id) => write!(formatter, "campaign {id}"),
            Self::Window(window) => {
                write!(formatter, "the campaigns of {} hours before", window.as_secs() / 3600)
            }
        }
    }
}

impl Baseline {
    /// The runs of the baseline among the measurements of a series before the candidate.
    ///
    /// # Errors
    /// No campaign at all has the label, the commit or the id.
    pub(super) fn choose(
        &self,
        history: &[Point],
        campaigns: &[Campaign],
        candidate: &Campaign,
    ) -> anyhow::Result<Vec<Point>> {
        let is_meant = |campaign: &&Campaign| match self {
            Self::Last => true,
            Self::Good => campaign.verdict.as_deref() == Some(PASS),
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
        let earlier = || campaigns.iter().filter(|campaign| campaign.id < candidate.id);
        let is_named = !matches!(self, Self::Last | Self::Good | Self::Window(_));
        if is_named && !earlier().any(|campaign| is_meant(&campaign)) {
            let failure =
                Failure::environment(format!("{self} is not there, or not before {}", candidate.name()));
            return Err(failure.hint("see `tabpool history --group-by campaign`").into());
        }
        let measured = |id: i64| history.iter().any(|point| point.campaign == Some(id));
        let mut chosen: Vec<i64> =
            earlier().filter(is_meant).map(|campaign| campaign.id).filter(|id| measured(*id)).collect();
        if *self == Self::Good && chosen.is_empty() {
            chosen.extend(earlier().map(|campaign| campaign.id).find(|id| measured(*id)));
        }
        if !matches!(self, Self::Window(_)) {
            chosen = chosen.split_off(chosen.len().saturating_sub(1));
        }
        let is_chosen = |point: &&Point| point.campaign.is_some_and(|id| chosen.contains(&id));
        Ok(history.iter().filter(is_chosen).copied().collect())
    }
}
