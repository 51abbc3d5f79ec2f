//! `replay`: events are done again. A plan says which; it changes nothing.

mod apply;
mod file;
mod filter;
mod live;
mod plan;
mod show;
mod side;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use self::plan::{Move, Plan, Want};
use self::show::Shown;
use super::answer::{Problem, Teller};
use super::calendar::{before, now_millis, written};
use super::{BadInput, Exit, world};
use crate::adapters::kafka::topic_admin::TopicError;
use crate::adapters::kafka::worker_group::{Member, Place, WorkerGroup};
use crate::cli::{Format, PlanArgs, ReplayArgs, ReplayCommand, Scope, Target};
use crate::domain::control::Skips;
use crate::domain::ids::{InputTopic, Partition};
use crate::domain::replay::ReplayId;
use crate::settings::Settings;

/// # Errors
/// When what was asked for cannot be used, or the console cannot be written. That Kafka does not answer is told.
pub async fn replay(
    settings: &Settings,
    args: &ReplayArgs,
    (format, output): (Format, &mut (dyn Write + Send)),
) -> anyhow::Result<Exit> {
    let mut teller = Teller { format, output };
    let done = match &args.command {
        None => show_plan(settings, &args.plan, &mut teller).await,
        Some(ReplayCommand::Plan(args)) => show_plan(settings, args, &mut teller).await,
        Some(ReplayCommand::Apply(args)) => apply::apply(settings, args, &mut teller).await,
        Some(ReplayCommand::Live(args)) => live::live(settings, args, &mut teller).await,
        Some(ReplayCommand::Side(args)) => side::side(settings, args, &mut teller).await,
    };
    match done.map_err(anyhow::Error::downcast::<TopicError>) {
        Ok(exit) => Ok(exit),
        Err(Ok(error)) => {
            let failure = world::failure_of_topics(error);
            teller.tell(&Problem::new("nothing is changed", failure.story()))?;
            Ok(Exit::from(&failure))
        }
        Err(Err(error)) => Err(error),
    }
}

async fn show_plan(settings: &Settings, args: &PlanArgs, teller: &mut Teller<'_>) -> anyhow::Result<Exit> {
    let asked = Asked::of(settings, settings.group(), (&args.to, &args.scope))?;
    let group = group(settings, &asked.group)?;
    let drawn = waiting(move || Drawn::of(asked.plan(&group)?, &asked, &group)).await?;
    teller.tell(&drawn.shown())?;
    if let Some(path) = &args.output {
        drawn.plan.write(path)?;
    }
    if teller.format == Format::Text {
        let written = |path: &PathBuf| format!("written to {}\n", path.display());
        let written = args.output.as_ref().map(written).unwrap_or_default();
        writeln!(teller.output, "{written}this is a plan: nothing is changed")?;
    }
    Ok(Exit::Done)
}

/// What a plan is made for.
struct Asked {
    to: To,
    topics: Vec<InputTopic>,
    /// Empty for all.
    partitions: Vec<i32>,
    id: ReplayId,
    group: String,
    names: Arc<crate::adapters::kafka::Topics>,
}

enum To {
    Each(Want),
    /// Milliseconds since 1970.
    Time(i64),
    File(file::Offsets),
}

impl Asked {
    fn of(settings: &Settings, group: String, (to, scope): (&Target, &Scope)) -> anyhow::Result<Self> {
        let made_up = || ReplayId::parse(&format!("replay-{:.8}", Uuid::new_v4().simple().to_string()));
        let id = scope.replay_id.clone().map_or_else(made_up, Ok)?;
        let topics = match &scope.topic[..] {
            [] if to.file.is_some() => InputTopic::ALL.to_vec(),
            // What is done again writes its follow-ups anew.
            [] => vec![InputTopic::Delete, InputTopic::Request],
            some => some.iter().map(|topic| InputTopic::from(*topic)).collect(),
        };
        let (partitions, names) = (scope.partitions.clone(), world::topics(settings)?);
        Ok(Self { to: To::of(to)?, topics, partitions, id, group, names })
    }

    /// What running owners do with a goal beyond what is done: a time skips nothing.
    fn skips(&self, allowed: bool) -> Skips {
        match self.to {
            To::Time(_) => Skips::Clamped,
            To::Each(_) | To::File(_) if allowed => Skips::Allowed,
            To::Each(_) | To::File(_) => Skips::Refused,
        }
    }

    fn plan(&self, group: &WorkerGroup) -> anyhow::Result<Plan> {
        let mut places = group.places(&self.topics)?;
        places.retain(|place| self.partitions.is_empty() || self.partitions.contains(&place.partition.number));
        let wants = self.wants(&places, group)?;
        let moves: Vec<Move> = wants.into_iter().map(|(place, want)| Move::of(place, want, &self.names)).collect();
        if moves.is_empty() {
            return Err(BadInput("there is no such partition (--partitions, --topic, --file)".to_owned()).into());
        }
        let made = written(now_millis());
        Ok(Plan::new(&self.id, self.group.clone(), made, moves))
    }

    fn wants<'a>(&self, places: &'a [Place], group: &WorkerGroup) -> anyhow::Result<Vec<(&'a Place, Want)>> {
        Ok(match &self.to {
            To::Each(want) => places.iter().map(|place| (place, *want)).collect(),
            To::Time(time) => {
                let partitions: Vec<Partition> = places.iter().map(|place| place.partition).collect();
                let found = group.at_time(&partitions, *time)?;
                let since = |place: &Place| Want::Since(found.get(&place.partition).copied());
                places.iter().map(|place| (place, since(place))).collect()
            }
            To::File(offsets) => {
                let key = |place: &Place| (self.names.name(place.partition.topic).to_owned(), place.partition.number);
                let listed = |place: &'a Place| Some((place, Want::To(*offsets.get(&key(place))?)));
                places.iter().filter_map(listed).collect()
            }
        })
    }
}

impl To {
    fn of(target: &Target) -> anyhow::Result<Self> {
        Ok(match target {
            Target { earliest: true, .. } => Self::Each(Want::Earliest),
            Target { latest: true, .. } => Self::Each(Want::Latest),
            Target { offset: Some(offset), .. } => Self::Each(Want::To(*offset)),
            Target { shift: Some(offsets), .. } => Self::Each(Want::By(*offsets)),
            Target { timestamp: Some(time), .. } => Self::Time(*time),
            Target { last: Some(back), .. } => Self::Time(before(*back)),
            Target { file: Some(path), .. } => Self::File(file::read(path)?),
            Target { .. } => return Err(BadInput("say where to go, such as --last 10m".to_owned()).into()),
        })
    }
}

/// A plan, and what a person wants to know beside it.
struct Drawn {
    plan: Plan,
    members: Vec<Member>,
    rate: Option<f64>,
}

impl Drawn {
    fn of(mut plan: Plan, asked: &Asked, group: &WorkerGroup) -> anyhow::Result<Self> {
        tell_times(&mut plan, group, asked)?;
        Ok(Self { plan, members: group.members()?, rate: group.rate(before(show::MEASURED))? })
    }

    fn shown(&self) -> Shown<'_> {
        Shown { plan: &self.plan, members: &self.members, rate: self.rate }
    }
}

/// The times of what would be done again.
fn tell_times(plan: &mut Plan, group: &WorkerGroup, asked: &Asked) -> anyhow::Result<()> {
    for it in &mut plan.partitions {
        if it.again() > 0 {
            let [first, last] = group.times(it.place(&asked.names)?, (it.new, it.until)).map(|time| time.map(written));
            (it.first, it.last) = (first, last);
        }
    }
    Ok(())
}

fn group(settings: &Settings, name: &str) -> anyhow::Result<WorkerGroup> {
    Ok(WorkerGroup::try_new(&settings.kafka, world::topics(settings)?, name)?)
}

/// Kafka's answers are waited for on a thread that may wait.
async fn waiting<T: Send + 'static>(ask: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(ask).await?
}

fn named(members: &[Member]) -> String {
    members.iter().map(|Member { client, host }| format!("{client} on {host}")).collect::<Vec<_>>().join(", ")
}
