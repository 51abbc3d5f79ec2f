//! What the person in front of it sees: headings, steps, tables. Plain text, so that it survives a pipe.

use std::fmt::Display;
use std::time::Instant;

/// Begins a part of the story.
pub fn heading(text: &str) {
    println!("\n== {text}");
}

pub fn line(text: impl Display) {
    println!("   {text}");
}

/// A step that took a while, told when it is done.
pub fn done(since: Instant, text: impl Display) {
    println!("   {text}  ({:.1} s)", since.elapsed().as_secs_f64());
}

/// A table: the first row is its head. Numbers go to the right.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        println!("   {}", cells.join("  ").trim_end());
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("   {}", rules.join("  "));
        }
    }
}

/// A row from whatever prints.
#[macro_export]
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($cell.to_string()),*] };
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn padded(cell: &str, to: usize) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(cell)));
    let is_number = !cell.is_empty() && cell.chars().all(|letter| letter.is_ascii_digit() || letter == ',');
    if is_number { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") }
}

/// A number as people read it.
pub fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
