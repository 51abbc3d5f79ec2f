//! `redrive run`: open failures back to the request topic.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::act::Actor;
use super::list::{place_of, warning};
use super::sources::{Kept, Reread, Sources};
use super::walk::{Step, Walk};
use super::{Stop, filter, some};
use crate::adapters::kafka::Topic;
use crate::adapters::kafka::reading::TopicReader;
use crate::cli::RunArgs;
use crate::commands::answer::Teller;
use crate::commands::{Exit, world};
use crate::domain::event::{Event, Subjects};
use crate::domain::failed::{Course, Decision, Undecodable, What, course};
use crate::domain::report::redrive::request_records;
use crate::settings::Settings;

/// Those that stay that are named; all are counted.
const NAMED: usize = 20;

pub(super) async fn run(settings: &Settings, args: &RunArgs, teller: &mut Teller<'_>) -> Result<Exit, Stop> {
    let (topics, wanted) = (world::topics(settings)?, filter(&args.filter));
    let reader = TopicReader::try_new(&settings.kafka)?;
    let mut sources = Sources::new(settings, reader.clone())?;
    let mut walk = Walk::start(&reader, topics.name(Topic::Failed)).await?;
    let acting = || Actor::new(settings, Decision::Redriven, (&args.by, None));
    let mut actor = args.execute.then(acting).transpose()?;
    if args.rate.is_some() {
        actor = actor.map(Actor::one_by_one);
    }
    let (mut tally, begun) = (Tally::default(), Instant::now());
    while let Some(step) = walk.next().await? {
        if step.decision.is_some() {
            continue;
        }
        if !wanted.wants(&step.failed, step.found.at) {
            tally.unwanted += 1;
            if let Some(actor) = &mut actor {
                actor.leave(&step.found);
            }
            continue;
        }
        if actor.is_some() {
            sleep_until(begun + args.rate.map_or(Duration::ZERO, |rate| rate.time_for(tally.users_sent))).await;
            // Order: looked at last, for somebody may have parked it while this one waited.
            if walk.is_decided(&step.found).await? {
                continue;
            }
        }
        let event = tally.judge(&step, course(&step.failed, &wanted, args.limit), &mut sources).await?;
        match (&mut actor, event) {
            (None, _) => {}
            (Some(actor), None) => actor.leave(&step.found),
            (Some(actor), Some(event)) => {
                actor.act(&step.found, request_records(&event, &args.by), &walk).await?;
            }
        }
    }
    if let Some(mut actor) = actor {
        actor.flush(&walk).await?;
    }
    teller.tell(&Ran { tally: &tally, args, topic: topics.name(Topic::Request) })?;
    Ok(if args.execute && !tally.left.is_empty() { Exit::Left } else { Exit::Done })
}

/// A token range counts as one.
fn users_of(event: &Event) -> u64 {
    match &event.subjects {
        Subjects::Users(users) => users.len() as u64,
        Subjects::Range(_) => 1,
    }
}

/// What a run does, or would do.
#[derive(Default)]
struct Tally {
    /// Records, by reason.
    sent: BTreeMap<String, u64>,
    users_sent: u64,
    /// What stays, by why.
    left: BTreeMap<String, Left>,
    unwanted: u64,
    fading: BTreeMap<Kept, u64>,
}

#[derive(Default)]
struct Left {
    records: u64,
    /// The first of them: users, or places.
    named: Vec<String>,
}

impl Tally {
    /// The event that is to be sent, if any.
    async fn judge(&mut self, step: &Step, course: Course, sources: &mut Sources) -> Result<Option<Event>, Stop> {
        let event = match (course, &step.failed.what) {
            (Course::Send, What::Event(event)) => Some(event.clone()),
            (Course::Quarantined, _) => {
                self.leave(
                    step,
                    "quarantined: sent again before and failed each time; --limit raises the limit".to_owned(),
                );
                None
            }
            (Course::NotRetriable, _) => {
                let reason = step.failed.reason();
                self.leave(
                    step,
                    format!("{reason} ends the same way until somebody changes something; then --reason {reason}"),
                );
                None
            }
            (_, What::Undecodable(place)) => self.reread(step, place, sources).await?,
            (Course::Reread, What::Event(_)) => None,
        };
        if let Some(event) = &event {
            *self.sent.entry(step.failed.reason().to_owned()).or_default() += 1;
            self.users_sent += users_of(event);
        }
        Ok(event)
    }

    async fn reread(&mut self, step: &Step, place: &Undecodable, sources: &mut Sources) -> Result<Option<Event>, Stop> {
        let problem = match sources.reread(place).await? {
            Reread::Event(event) => return Ok(Some(event)),
            Reread::Still(problem) => {
                *self.fading.entry(sources.kept(place).await?).or_default() += 1;
                format!("still undecodable: {problem}")
            }
            Reread::OtherAction => "of other consumers: nothing to do here; park it".to_owned(),
            Reread::Gone => "undecodable, and gone: Kafka has removed what stood there".to_owned(),
            Reread::Another => "undecodable, and gone: another record stands there now".to_owned(),
        };
        self.leave(step, problem);
        Ok(None)
    }

    fn leave(&mut self, step: &Step, why: String) {
        let left = self.left.entry(why).or_default();
        left.records += 1;
        let names = match &step.failed.what {
            What::Event(_) => step.failed.users().iter().map(ToString::to_string).collect(),
            What::Undecodable(place) => vec![place_of(place)],
        };
        let room = NAMED.saturating_sub(left.named.len());
        left.named.extend(names.into_iter().take(room));
    }
}

/// What was done, or would be.
struct Ran<'a> {
    tally: &'a Tally,
    args: &'a RunArgs,
    topic: &'a str,
}

impl Ran<'_> {
    fn records(&self) -> u64 {
        self.tally.sent.values().sum()
    }

    /// At the rate that was asked for.
    fn seconds(&self) -> Option<u64> {
        self.args.rate.map(|rate| rate.time_for(self.tally.users_sent).as_secs())
    }
}

impl fmt::Display for Ran<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { args, topic, tally: Tally { sent, users_sent, left, unwanted, fading } } = self;
        let reasons: Vec<_> = sent.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
        let verb = if args.execute { "sent   " } else { "to send" };
        let (records, users) = (some(self.records(), "record"), some(*users_sent, "user"));
        writeln!(formatter, "{verb}  {records}, {users}, to {topic}{reasons}")?;
        for (why, Left { records, named }) in left {
            writeln!(formatter, "left     {}, {why}", some(*records, "record"))?;
            named.iter().try_for_each(|name| writeln!(formatter, "         {name}"))?;
            let more = records.saturating_sub(named.len() as u64);
            if more > 0 {
                writeln!(formatter, "         and {more} more: `redrive show`")?;
            }
        }
        if *unwanted > 0 {
            writeln!(formatter, "left     {} that the filter does not ask for", some(*unwanted, "open record"))?;
        }
        formatter.write_str(&warning(fading))?;
        if args.execute {
            return Ok(());
        }
        if let Some(seconds) = self.seconds() {
            writeln!(formatter, "takes    {seconds} s at the rate asked for")?;
        }
        writeln!(formatter, "this is a plan: --execute sends it")
    }
}

impl Serialize for Ran<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tally { sent, users_sent, left, unwanted, fading } = self.tally;
        let left =
            left.iter().map(|(why, Left { records, named })| json!({ "why": why, "records": records, "first": named }));
        let fading = |kept| fading.get(&kept).copied().unwrap_or_default();
        json!({
            "executed": self.args.execute,
            "topic": self.topic,
            "records": self.records(),
            "users": users_sent,
            "reasons": sent,
            "left": left.collect::<Vec<_>>(),
            "unwanted": unwanted,
            "undecodableGone": fading(Kept::Gone),
            "undecodableLeaving": fading(Kept::Soon),
            "secondsAtRate": self.seconds(),
        })
        .serialize(serializer)
    }
}
