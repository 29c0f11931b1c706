//! One channel: which register goes to whom.
use super::local::Local;
use super::receiver::{Receiver, Receivers};
use crate::cli::import::address::{self, Address};
use crate::cli::import::draft::{Block, Keys, shown};
use crate::cli::import::identifier;
use crate::cli::import::tree::{Place, Table};
use crate::secret::Secret;

/// Where a channel's values come from.
pub(super) struct Origin<'a> {
    /// Name of its meter.
    pub(super) meter: &'a str,
    /// `aggtime` of its meter.
    pub(super) gathered_s: Option<i64>,
    /// Its protocol prints numbers with units, which vzlogger passed on as they stand there.
    pub(super) prints_units: bool,
}

/// What no receiver gets.
const LOST: &[(&str, &str)] = &[
    ("duplicates", "values that do not change are sent like others"),
    ("mqtt_topic", "topics are named after meter and register"),
];

/// What InfluxDB does not get.
const INFLUX_LOST: &[(&str, &str)] = &[
    ("measurement_name", "the measurement has a name of metergate"),
    ("tags", "the tags are those of metergate"),
    ("send_uuid", "a series is told by meter and register, not by uuid"),
];

/// Adds the channel to its receiver; what cannot be carried over is said there, or in the meter's block.
pub(super) fn read(
    table: &Table,
    place: &Place,
    origin: &Origin<'_>,
    meter: &mut Block,
    receivers: &mut Receivers,
) {
    let keys = Keys::new(table);
    let mut block = Block::default();
    let register = keys.text("identifier", &mut block).and_then(|(text, at)| {
        let register = identifier::registers(text);
        if register.is_none() {
            block.lost(at, format!("`identifier`: `{}` is no OBIS code", shown(text)));
        }
        register
    });
    let uuid = keys.text("uuid", &mut block).map(|(uuid, _)| uuid);
    let api =
        keys.text("api", &mut block).map_or_else(|| "volkszaehler".to_owned(), |(api, _)| api.to_lowercase());
    aggregate(&keys, origin, &mut block);
    receivers.registers.push(register.clone());
    if let (Some(uuid), Some(register)) = (uuid.filter(|uuid| is_uuid(uuid)), &register) {
        receivers.local.push(Local {
            uuid: uuid.to_owned(),
            register: format!("{} {register}", origin.meter),
            place: place.clone(),
            prints_units: origin.prints_units,
        });
    }
    let receiver = match api.as_str() {
        "volkszaehler" => volkszaehler(&keys, uuid, register.as_deref(), place, origin, &mut block),
        "influxdb" => influx(&keys, place, &mut block),
        "null" => {
            // A channel for the web server and MQTT alone.
            keys.place("middleware");
            None
        }
        "mysmartgrid" => {
            block.lost(place, "the channel: mySmartGrid has no counterpart");
            keys.ignore_rest();
            None
        }
        other => {
            block.lost(place, format!("the channel: api `{}` has no counterpart", shown(other)));
            keys.ignore_rest();
            None
        }
    };
    keys.lose(LOST, &mut block);
    keys.own_way(&[("scaler", "values carry their unit")], &mut block);
    keys.rest(&mut block);
    if receiver.is_some() && origin.prints_units {
        let kept = "`units = [\"kWh\", \"kW\"]` keeps kWh and kW";
        block.lost(place, format!("the unit that the meter prints: numbers are sent in Wh and W; {kept}"));
    }
    match receiver {
        Some(receiver) => receivers.add(receiver, place, origin, register, uuid, block.lines),
        None => meter.lines.append(&mut block.lines),
    }
}

/// `aggmode` says how the values of `aggtime` become one; metergate sends the latest.
fn aggregate(keys: &Keys<'_>, origin: &Origin<'_>, block: &mut Block) {
    let Some((mode, at)) = keys.text("aggmode", block) else { return };
    let Some(seconds) = origin.gathered_s else { return };
    match mode.to_ascii_lowercase().as_str() {
        // The largest value of a counter is its latest.
        "none" | "max" => {}
        "avg" => block.lost(at, format!("`aggmode`: the average of {seconds} s; the latest value is sent")),
        "sum" => block.lost(at, format!("`aggmode`: the sum of {seconds} s; the latest value is sent")),
        _ => block.lost(at, "`aggmode`: is none of avg, max, sum and none"),
    }
}

fn volkszaehler(
    keys: &Keys<'_>,
    uuid: Option<&str>,
    register: Option<&str>,
    place: &Place,
    origin: &Origin<'_>,
    block: &mut Block,
) -> Option<Receiver> {
    let Some((url, at)) = keys.text("middleware", block) else {
        block.lost(place, "the channel: it has no `middleware`");
        return None;
    };
    if uuid.is_none_or(|uuid| !is_uuid(uuid)) || register.is_none() {
        block.lost(place, "the channel: it needs a `uuid` and the code of a register");
        return None;
    }
    let address = known_address("middleware", url, at, block)?;
    Some(Receiver {
        kind: "volkszaehler",
        texts: vec![("url", address.url)],
        version: None,
        // A password without a user does nothing.
        secret: address.password.filter(|_| address.user.is_some()).map(|password| ("password", password)),
        user: address.user,
        // Registers of two meters may have the same code.
        meter: Some(origin.meter.to_owned()),
    })
}

fn influx(keys: &Keys<'_>, place: &Place, block: &mut Block) -> Option<Receiver> {
    let Some((url, at)) = keys.text("host", block) else {
        block.lost(place, "the channel: InfluxDB without `host`");
        return None;
    };
    let address = known_address("host", url, at, block)?;
    let organisation = keys.text("organization", block).map(|(name, _)| name);
    let database = keys.text("database", block).map_or("vzlogger", |(name, _)| name);
    let user = keys.text("username", block).map(|(name, _)| name.to_owned()).or(address.user);
    let password = keys.text("password", block).map(|(text, _)| Secret::new(text)).or(address.password);
    let token = keys.text("token", block).map(|(text, _)| Secret::new(text));
    if let Some((false, at)) = keys.truth("ssl_verifypeer", block) {
        block.lost(at, "`ssl_verifypeer`: certificates are always verified");
    }
    keys.lose(INFLUX_LOST, block);
    keys.together(&["timeout", "max_batch_inserts", "max_buffer_size"], "chosen by metergate", block);
    let mut texts = vec![("url", address.url)];
    let version = match organisation {
        Some(organisation) => {
            texts.push(("org", organisation.to_owned()));
            texts.push(("bucket", database.to_owned()));
            2
        }
        None => {
            texts.push(("database", database.to_owned()));
            1
        }
    };
    // vzlogger sends the token only where there is no user.
    let secret = match (&user, password, token) {
        (Some(_), password, _) => password.map(|password| ("password", password)),
        (None, _, token) => token.map(|token| ("token", token)),
    };
    Some(Receiver { kind: "influx", texts, version: Some(version), user, secret, meter: None })
}

fn known_address(key: &str, url: &str, at: &Place, block: &mut Block) -> Option<Address> {
    let Some(address) = address::http(url) else {
        block.lost(at, format!("the channel: `{key}` is no address of HTTP"));
        return None;
    };
    if address.query {
        block.lost(at, format!("`{key}`: what stands behind the `?` of the address"));
    }
    Some(address)
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
