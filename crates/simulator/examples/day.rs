//! Prints a day of a simulated household, a line every ten minutes: `cargo run --example day -- SEED`.
use metergate_simulator::Household;

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    // 2026-04-12T00:00:00Z.
    let start = 1_775_952_000;
    let mut house = Household::new(seed, start);
    for at in (start..start + 86_400).step_by(600) {
        house.advance_to(at);
        let [l1, l2, l3] = house.phases();
        println!(
            "{:02}:{:02}Z {:>7} W  sun {:>6} W  {:>4} {:>4} {:>4} V/10  heat {:>6} W {:>5} l/h  {:>4} cos",
            at % 86_400 / 3600,
            at % 3600 / 60,
            house.power_mw() / 1000,
            (l1.sun_mw + l2.sun_mw + l3.sun_mw) / 1000,
            l1.voltage_mv / 100,
            l2.voltage_mv / 100,
            l3.voltage_mv / 100,
            house.heat_flow().power_mw / 1000,
            house.heat_flow().litres_per_hour,
            house.power_factor_1000(),
        );
    }
}
