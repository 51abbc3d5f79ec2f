//! What was measured, and whether it is what the README says.

use std::fmt::Write as _;
use std::time::Duration;

use super::logins::Logins;

/// Who purges a portion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Bare,
    One,
    Two,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Bare, Self::One, Self::Two];

    fn told(self) -> &'static str {
        match self {
            Self::Bare => "a bare client, one connection",
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
    least: f64,
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
            writeln!(table, "| {what} | {ratio:.2} | {least:.2} |")?;
        }
        let (at_rest, beside) = (logins.at_rest.as_millis(), logins.beside.as_millis());
        writeln!(
            table,
            "\nLogins: {at_rest} ms at rest, {beside} ms beside a purge (medians, {} of them).",
            logins.count
        )?;
        println!("{table}");
        let missed: Vec<_> = goals.iter().filter(|goal| goal.ratio < goal.least).map(|goal| goal.what).collect();
        anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
        Ok(())
    }

    fn goals(&self, logins: Logins) -> [Goal; 4] {
        let [bare, one, two] = &self.rates;
        let third = one.len().div_ceil(3);
        let (first, last) = (&one[..third], &one[one.len() - third..]);
        let login = logins.at_rest.as_secs_f64() / logins.beside.as_secs_f64();
        [
            Goal { what: "one connection : bare client", ratio: by_turn(one, bare), least: 0.9 },
            Goal { what: "two connections : one", ratio: by_turn(two, one), least: 1.5 },
            Goal { what: "last third : first third, one connection", ratio: mean(last) / mean(first), least: 0.85 },
            Goal { what: "login at rest : login beside a purge", ratio: login, least: 0.5 },
        ]
    }
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
