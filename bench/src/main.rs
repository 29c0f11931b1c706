//! Runs passes of one row, for a program that counts instructions: `metergate-bench ROW PASSES`.
use metergate_bench::ROWS;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, passes] = arguments.as_slice() else {
        eprintln!("usage: metergate-bench ROW PASSES, where ROW is one of");
        ROWS.iter().for_each(|row| eprintln!("  {}", row.name));
        return ExitCode::from(2);
    };
    let (Some(row), Ok(passes)) = (ROWS.iter().find(|row| row.name == name), passes.parse::<u32>()) else {
        eprintln!("no row `{name}`, or `{passes}` is no number of passes");
        return ExitCode::from(2);
    };
    let mut pass = (row.prepare)();
    let values: usize = (0..passes).map(|_| pass()).sum();
    println!("{values} values in {passes} passes");
    ExitCode::SUCCESS
}
