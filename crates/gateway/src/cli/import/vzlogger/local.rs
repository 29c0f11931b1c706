//! The web server in vzlogger, `local`: the page of `compat.vzlogger`.
use super::PROFILE;
use super::receiver::Receivers;
use crate::cli::import::draft::{Block, Draft, Keys};
use crate::cli::import::tree::{Place, Table};

/// A channel of its page.
pub(super) struct Local {
    pub(super) uuid: String,
    /// `mtr0 1-0:1.8.0`.
    pub(super) register: String,
    pub(super) place: Place,
    /// Its protocol prints numbers with units, which vzlogger passed on as they stand there.
    pub(super) prints_units: bool,
}

/// The port of vzlogger where none is named.
const PORT: i64 = 8080;

/// The longest buffer that metergate has.
const BUFFER_S_MAX: i64 = 3600;

/// Reads the section; a page without channels stays in comments.
pub(super) fn read(table: &Table, place: &Place, receivers: &Receivers, draft: &mut Draft) {
    let keys = Keys::new(table);
    let mut block = Block::default();
    if !keys.truth("enabled", &mut block).is_some_and(|(enabled, _)| enabled) {
        // What was off may stay off without a word, unless a key has a wrong type.
        draft.blocks.push(block);
        return;
    }
    if draft.count("compat") > 0 {
        block.lost(place, "`local`: there is one such page, and another file has it already");
        draft.blocks.push(block);
        return;
    }
    let mut block = Block::section(PROFILE, "compat", "vzlogger".to_owned());
    let port = match keys.whole("port", &mut block) {
        Some((port @ 1..=65_535, _)) => port,
        Some((_, at)) => {
            block.lost(at, "`port`: is 1 to 65535");
            PORT
        }
        None => PORT,
    };
    block.remark("vzlogger answers the whole network, without a login; this page only this host.");
    block.remark(format!("To be as open as vzlogger: listen = \"0.0.0.0:{port}\""));
    block.text("listen", &format!("127.0.0.1:{port}"));
    if let Some((index, _)) = keys.truth("index", &mut block) {
        block.truth("index", index);
    }
    match keys.whole("buffer", &mut block) {
        Some((seconds @ 1..=BUFFER_S_MAX, _)) => block.seconds("buffer", seconds),
        Some((seconds, at)) if seconds > BUFFER_S_MAX => {
            block.lost(at, "`buffer`: an hour is shown at most");
            block.seconds("buffer", BUFFER_S_MAX);
        }
        Some((count, at)) if count < -1 => {
            block.lost(
                at,
                "`buffer`: a number of values; metergate counts seconds, and shows the newest value",
            );
        }
        _ => {}
    }
    keys.own_way(&[("timeout", "vzlogger waits for nothing either")], &mut block);
    keys.rest(&mut block);
    let rows = channels(receivers, &mut block);
    if rows.is_empty() {
        block.switch_off(place, "`local`: no channel has a `uuid` and the code of a register");
    }
    block.table = Some(("channels", rows));
    draft.blocks.push(block);
}

/// UUIDs and what they stand for, each UUID once.
fn channels(receivers: &Receivers, block: &mut Block) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for local in &receivers.local {
        match rows.iter().find(|(uuid, _)| uuid.eq_ignore_ascii_case(&local.uuid)) {
            Some((_, register)) if *register == local.register => {}
            Some(_) => block.lost(&local.place, "`uuid`: stands for another register already"),
            None => rows.push((local.uuid.clone(), local.register.clone())),
        }
    }
    if let Some(local) = receivers.local.iter().find(|local| local.prints_units) {
        block.lost(&local.place, "the unit that the meter prints: numbers are shown in Wh and W");
    }
    rows
}
