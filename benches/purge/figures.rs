//! What was measured, and whether it is what the README says.

use std::fmt::Write as _;
use std::time::Duration;

use super::logins::Logins;

/// Who purges a portion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Bare,
    BareTwo,
    One,
    Two,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Bare, Self::BareTwo, Self::One, Self::Two];

    fn told(self) -> &'static str {
        match self {
            Self::Bare => "a bare client, one connection",
            Self::BareTwo => "a bare client, two connections",
            Self::One => "the purge, one connection",
            Self::Two => "the purge, two connections",
        }
    }
}

/// Users a second, turn by turn.
#[derive(Default)]
pub struct Figures {
    rates: [Vec<f64>; Way::ALL.len()],
}

/// A ratio, and what it is to be.
struct Goal {
    what: &'static str,
    ratio: f64,
    /// What says how the machine is has no goal.
    least: Option<f64>,
}

impl Figures {
    pub fn add(&mut self, way: Way, users: usize, took: Duration) {
        let rate = users as f64 / took.as_secs_f64();
        eprintln!("{:>8.0} users/s  {}", rate, way.told());
        self.rates[way as usize].push(rate);
    }

    /// Prints a table.
    ///
    /// # Errors
    /// When a goal is missed.
    pub fn tell(&self, users: usize, logins: Logins) -> anyhow::Result<()> {
        let mut table = format!("{users} users, half of them local, half federated.\n\n");
        writeln!(table, "| | users a second: median | slowest turn | fastest turn |\n| --- | --: | --: | --: |")?;
        for way in Way::ALL {
            let rates = sorted(self.rates[way as usize].clone());
            let (slowest, fastest) = (rates[0], rates[rates.len() - 1]);
            writeln!(table, "| {} | {:.0} | {slowest:.0} | {fastest:.0} |", way.told(), rates[rates.len() / 2])?;
        }
        writeln!(table, "\n| ratio | | is to be at least |\n| --- | --: | --: |")?;
        let goals = self.goals(logins);
        for Goal { what, ratio, least } in &goals {
            let least = least.map_or_else(|| "–".to_owned(), |least| format!("{least:.2}"));
            writeln!(table, "| {what} | {ratio:.2} | {least} |")?;
        }
        let (at_rest, beside) = (logins.at_rest.as_millis(), logins.beside.as_millis());
        writeln!(
            table,
            "\nLogins: {at_rest} ms at rest, {beside} ms beside a purge (medians, {} of them).",
            logins.count
        )?;
        println!("{table}");
        let missed: Vec<_> = goals
            .iter()
            .filter(|goal| goal.least.is_some_and(|least| goal.ratio < least))
            .map(|goal| goal.what)
            .collect();
        anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
        Ok(())
    }

    fn goals(&self, logins: Logins) -> [Goal; 6] {
        let [bare, bare_two, one, two] = &self.rates;
        let third = one.len().div_ceil(3);
        let (first, last) = (&one[..third], &one[one.len() - third..]);
        let login = logins.at_rest.as_secs_f64() / logins.beside.as_secs_f64();
        let goal = |what, ratio, least| Goal { what, ratio, least };
        [
            goal("one connection : bare client", by_turn(one, bare), Some(0.9)),
            // With as many cores as connections the clients, the log's writer and autovacuum have none of their own.
            goal("two connections : one", by_turn(two, one), (cores() > 2).then_some(1.5)),
            goal("two connections : one, bare client", by_turn(bare_two, bare), None),
            goal("two connections : bare client on two", by_turn(two, bare_two), Some(0.9)),
            goal("last third : first third, one connection", mean(last) / mean(first), Some(0.85)),
            goal("login at rest : login beside a purge", login, Some(0.5)),
        ]
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The median of the turns' own ratios: what slows a machine down slows neighbours in time alike.
fn by_turn(these: &[f64], those: &[f64]) -> f64 {
    let ratios = sorted(these.iter().zip(those).map(|(this, that)| this / that).collect());
    ratios[ratios.len() / 2]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
