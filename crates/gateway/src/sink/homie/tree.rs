//! Which node and property a register is.
//!
//! Registers that smart-meter-reader publishes keep its names (`energy/imported-total`, `temperatures/temp1`); all
//! others are called by their codes (`energy/2-8-0`).
use crate::sink::Point;
use crate::sink::submeter::is_submeter;
use metergate_reading::{Number, ObisCode, ObisStyle, RegisterId, Unit};
use serde_json::{Map, Value, json};

/// Properties of one device. A meter that invents names of registers must not fill the broker.
const PROPERTIES_MAX: usize = 500;

/// The nodes of a device with their properties, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Tree(Vec<Node>);

#[derive(Debug)]
struct Node {
    kind: Kind,
    properties: Vec<Property>,
}

#[derive(Debug)]
struct Property {
    register: RegisterId,
    id: String,
    name: String,
    unit: Option<String>,
    is_float: bool,
}

/// What is to be told of a register.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) node: &'static str,
    pub(super) property: String,
    pub(super) payload: String,
    /// The property, its type, its unit or its name is new.
    pub(super) is_new: bool,
}

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Energy,
    ReactiveEnergy,
    ApparentEnergy,
    Power,
    ReactivePower,
    ApparentPower,
    Voltage,
    Current,
    Frequency,
    PowerFactor,
    Temperatures,
    Flow,
    Volume,
    Ops,
    Other,
}

impl Kind {
    /// Its id and what people call it.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Energy => ("energy", "Energy consumption meters"),
            Self::ReactiveEnergy => ("reactive-energy", "Reactive energy meters"),
            Self::ApparentEnergy => ("apparent-energy", "Apparent energy meters"),
            Self::Power => ("power", "Actual power meters"),
            Self::ReactivePower => ("reactive-power", "Reactive power"),
            Self::ApparentPower => ("apparent-power", "Apparent power"),
            Self::Voltage => ("voltage", "Voltage"),
            Self::Current => ("current", "Current"),
            Self::Frequency => ("frequency", "Frequency"),
            Self::PowerFactor => ("power-factor", "Power factor"),
            Self::Temperatures => ("temperatures", "Temperatures"),
            Self::Flow => ("flow", "Flow"),
            Self::Volume => ("volume", "Volume"),
            Self::Ops => ("ops", "Operation"),
            Self::Other => ("other", "Other registers"),
        }
    }
}

impl Tree {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids of the nodes, as `$nodes` wants them.
    pub(super) fn nodes(&self) -> String {
        list(self.0.iter().map(|node| node.kind.text().0))
    }

    /// The attributes of nodes and properties, by their paths below the device.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for node in &self.0 {
            let (id, name) = node.kind.text();
            all.push((format!("{id}/$name"), name.to_owned()));
            all.push((format!("{id}/$type"), id.to_owned()));
            let ids = list(node.properties.iter().map(|property| property.id.as_str()));
            all.push((format!("{id}/$properties"), ids));
            for property in &node.properties {
                let path = format!("{id}/{}", property.id);
                all.push((format!("{path}/$name"), property.name.clone()));
                let datatype = if property.is_float { "float" } else { "integer" };
                all.push((format!("{path}/$datatype"), datatype.to_owned()));
                if let Some(unit) = &property.unit {
                    all.push((format!("{path}/$unit"), unit.clone()));
                }
                all.push((format!("{path}/$settable"), "false".to_owned()));
                all.push((format!("{path}/$retained"), "true".to_owned()));
            }
        }
        all
    }

    /// The nodes with their properties, as the description of convention 5 wants them. There is no `format`: without
    /// one any number may come.
    pub(super) fn description(&self) -> Map<String, Value> {
        let property = |property: &Property| {
            let mut text = json!({
                "name": property.name,
                "datatype": if property.is_float { "float" } else { "integer" },
                "settable": false,
                "retained": true,
            });
            if let (Some(unit), Some(text)) = (&property.unit, text.as_object_mut()) {
                text.insert("unit".to_owned(), json!(unit));
            }
            (property.id.clone(), text)
        };
        let node = |node: &Node| {
            let (id, name) = node.kind.text();
            let properties: Map<String, Value> = node.properties.iter().map(property).collect();
            (id.to_owned(), json!({ "name": name, "properties": properties }))
        };
        self.0.iter().map(node).collect()
    }

    /// Notes a register; `None` when there are too many. `behind`: of a meter behind a meter, whose channel says nothing
    /// about it and may change.
    pub(super) fn note(&mut self, point: &Point, behind: bool) -> Option<Told> {
        let (kind, known_as) = place(point);
        let (number, unit) = given(point);
        let name = name(point, behind);
        // What has decimals once may have them again.
        let is_float = number.exponent() < 0;
        let payload = number.to_string();
        if let Some((node, property)) = self.find(&point.register) {
            let is_new = (is_float && !property.is_float) || property.unit != unit || property.name != name;
            property.is_float |= is_float;
            (property.unit, property.name) = (unit, name);
            return Some(Told { node, property: property.id.clone(), payload, is_new });
        }
        let count: usize = self.0.iter().map(|node| node.properties.len()).sum();
        if count >= PROPERTIES_MAX {
            return None;
        }
        let node = match self.0.iter().position(|node| node.kind == kind) {
            Some(place) => self.0.get_mut(place)?,
            None => {
                self.0.push(Node { kind, properties: Vec::new() });
                self.0.last_mut()?
            }
        };
        let is_free = |id: &str| node.properties.iter().all(|property| property.id != id);
        // The same quantity of another channel is called by its code, and two texts may become one id.
        let mut own = known_as
            .map(ToOwned::to_owned)
            .filter(|id| is_free(id))
            .unwrap_or_else(|| of_register(&point.register, behind));
        for number in 2..=PROPERTIES_MAX {
            if is_free(&own) {
                break;
            }
            own = format!("{}-x{number}", of_register(&point.register, behind));
        }
        let register = point.register.clone();
        node.properties.push(Property { register, id: own.clone(), name, unit, is_float });
        Some(Told { node: kind.text().0, property: own, payload, is_new: true })
    }

    fn find(&mut self, register: &RegisterId) -> Option<(&'static str, &mut Property)> {
        self.0.iter_mut().find_map(|node| {
            let id = node.kind.text().0;
            let property = node.properties.iter_mut().find(|property| property.register == *register)?;
            Some((id, property))
        })
    }
}

/// The node, and the property as smart-meter-reader calls it.
fn place(point: &Point) -> (Kind, Option<&'static str>) {
    let code = point.register.obis().map(ObisCode::bytes);
    let known = match code {
        // Electricity: its clients for P1.
        Some([1, _, 1, 8, 0, 255]) => Some((Kind::Energy, "imported-total")),
        Some([1, _, 1, 8, 1, 255]) => Some((Kind::Energy, "used-tariff-1")),
        Some([1, _, 1, 8, 2, 255]) => Some((Kind::Energy, "used-tariff-2")),
        Some([1, _, 2, 8, 1, 255]) => Some((Kind::Energy, "delivered-tariff-1")),
        Some([1, _, 2, 8, 2, 255]) => Some((Kind::Energy, "delivered-tariff-2")),
        Some([1, _, 1, 7, 0, 255]) => Some((Kind::Power, "current-usage")),
        Some([1, _, 2, 7, 0, 255]) => Some((Kind::Power, "current-delivery")),
        // Heat: its client for Kamstrup.
        Some([6, _, 1, 0 | 8, 0, 255]) => Some((Kind::Energy, "imported-total")),
        Some([6, _, 8, 0 | 7, 0, 255]) => Some((Kind::Power, "current-usage")),
        Some([6, _, 10, 0 | 7, 0, 255]) => Some((Kind::Temperatures, "temp1")),
        Some([6, _, 11, 0 | 7, 0, 255]) => Some((Kind::Temperatures, "temp2")),
        Some([6, _, 12, 0 | 7, 0, 255]) => Some((Kind::Temperatures, "temp-diff")),
        Some([6, _, 9, 0 | 7, 0, 255]) => Some((Kind::Flow, "flow")),
        Some([6, _, 2, 0, 0, 255]) => Some((Kind::Flow, "volume")),
        Some(_) => None,
        // Registers of Kamstrup without a code.
        None => match point.register.to_string().as_str() {
            "kmp:68" => Some((Kind::Flow, "volume")),
            "kmp:74" => Some((Kind::Flow, "flow")),
            "kmp:1004" => Some((Kind::Ops, "hour-counter")),
            _ => None,
        },
    };
    match known {
        Some((kind, id)) => (kind, Some(id)),
        None => (of_unit(point), None),
    }
}

fn of_unit(point: &Point) -> Kind {
    match point.unit {
        Some(Unit::WattHour | Unit::Joule | Unit::Calorie) => Kind::Energy,
        Some(Unit::VarHour) => Kind::ReactiveEnergy,
        Some(Unit::VoltAmpereHour) => Kind::ApparentEnergy,
        Some(Unit::Watt) => Kind::Power,
        Some(Unit::Var) => Kind::ReactivePower,
        Some(Unit::VoltAmpere) => Kind::ApparentPower,
        Some(Unit::Volt) => Kind::Voltage,
        Some(Unit::Ampere) => Kind::Current,
        Some(Unit::Hertz) => Kind::Frequency,
        Some(Unit::Celsius | Unit::Kelvin) => Kind::Temperatures,
        Some(Unit::CubicMetrePerHour | Unit::LitrePerHour) => Kind::Flow,
        Some(Unit::CubicMetre | Unit::Litre) => Kind::Volume,
        Some(Unit::Hour | Unit::Day | Unit::Minute | Unit::Second) => Kind::Ops,
        Some(_) => Kind::Other,
        None => match point.register.obis().map(ObisCode::bytes) {
            Some([1, _, 13 | 33 | 53 | 73, 7, ..]) => Kind::PowerFactor,
            _ => Kind::Other,
        },
    }
}

/// The number in the unit in which it is told: as the sink is set, else heat in kWh and kW as heat meters show it.
fn given(point: &Point) -> (Number, Option<String>) {
    let Some(unit) = point.unit else { return (point.number, None) };
    let is_heat = point.register.obis().is_none_or(|code| code.bytes()[0] == 6);
    let large = match unit {
        _ if point.prefix != 0 => None,
        Unit::WattHour if is_heat => Some((-3, "kWh")),
        Unit::Watt if is_heat => Some((-3, "kW")),
        Unit::Joule => Some((-9, "GJ")),
        _ => None,
    };
    if let Some((by, text)) = large
        && let Some(number) = point.number.scaled(by)
    {
        return (number, Some(text.to_owned()));
    }
    let text = match unit {
        Unit::Celsius => "\u{b0}C".to_owned(),
        Unit::Degree => "\u{b0}".to_owned(),
        Unit::Litre => "L".to_owned(),
        Unit::CubicMetre => "m\u{b3}".to_owned(),
        Unit::CubicMetrePerHour => "m\u{b3}/h".to_owned(),
        _ => point.unit_text(),
    };
    (point.number, Some(text))
}

fn name(point: &Point, behind: bool) -> String {
    if behind && point.name.is_none() && is_submeter(point.register.obis()) {
        return "Meter reading".to_owned();
    }
    let of_code = || point.register.obis().and_then(ObisCode::name).map(ToOwned::to_owned);
    point
        .name
        .as_deref()
        .map(ToOwned::to_owned)
        .or_else(of_code)
        .unwrap_or_else(|| point.register.to_string())
}

/// `2-8-0` for the usual channel of electricity and for a meter behind a meter, otherwise the whole code,
/// `0-1-24-2-1`.
fn of_register(register: &RegisterId, behind: bool) -> String {
    let full = register.to_string();
    let Some(code) = register.obis() else { return id(&full) };
    let text = match code.bytes() {
        [1, 0, ..] => code.text(ObisStyle::Reduced).to_string(),
        _ if behind => code.text(ObisStyle::Reduced).to_string(),
        _ => code.text(ObisStyle::Topic).to_string(),
    };
    let nth = full.rsplit_once('#').map(|(_, nth)| format!("-n{nth}")).unwrap_or_default();
    format!("{}{nth}", id(&text))
}

/// A text as an id of Homie: `[a-z0-9-]`, no `-` at an end.
pub(super) fn id(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if id.is_empty() { "unnamed".to_owned() } else { id }
}

fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(register: &str, number: &str, unit: &str) -> Point {
        let (unit, prefix) = Unit::from_text(unit).map_or((None, 0), |(unit, prefix)| (Some(unit), prefix));
        let register = register.parse().unwrap();
        Point { register, name: None, number: number.parse().unwrap(), unit, prefix, derived: false }
    }

    fn told(tree: &mut Tree, register: &str, number: &str, unit: &str) -> (String, String, bool) {
        let told = tree.note(&point(register, number, unit), false).unwrap();
        (format!("{}/{}", told.node, told.property), told.payload, told.is_new)
    }

    #[test]
    fn registers_without_a_known_name_are_called_by_their_codes() {
        let mut tree = Tree::default();
        for (register, unit, path) in [
            ("1-0:2.8.0", "Wh", "energy/2-8-0"),
            ("1-0:1.8.0*1", "Wh", "energy/1-8-0-1"),
            ("1-0:32.7.0", "V", "voltage/32-7-0"),
            ("0-1:24.2.1", "m3", "volume/0-1-24-2-1"),
            ("0-1:24.2.1*255#2", "m3", "volume/0-1-24-2-1-n2"),
            ("1-1:1.8.0", "Wh", "energy/imported-total"),
            ("1-0:1.8.0", "Wh", "energy/1-8-0"),
            ("kmp:99", "", "other/kmp-99"),
            ("text:a/b", "", "other/text-a-b"),
            ("text:A.B", "", "other/text-a-b-x2"),
        ] {
            assert_eq!(told(&mut tree, register, "1", unit).0, path);
        }
    }

    #[test]
    fn row_38_what_has_decimals_is_a_float_and_stays_one() {
        let mut tree = Tree::default();
        let is_float =
            |tree: &Tree| tree.attributes().contains(&("voltage/32-7-0/$datatype".into(), "float".into()));
        assert_eq!(told(&mut tree, "1-0:32.7.0", "234", "V").1, "234");
        assert!(!is_float(&tree));
        assert_eq!(
            told(&mut tree, "1-0:32.7.0", "233.7", "V"),
            ("voltage/32-7-0".into(), "233.7".into(), true)
        );
        assert!(is_float(&tree));
        assert!(!told(&mut tree, "1-0:32.7.0", "234", "V").2, "nothing is new about it");
        assert!(is_float(&tree));
    }

    #[test]
    fn heat_is_told_in_the_units_of_heat_meters_and_joules_stay_joules() {
        let mut tree = Tree::default();
        assert_eq!(told(&mut tree, "6-0:1.0.0", "12345000", "Wh").1, "12345.000");
        let unit = |tree: &Tree, unit: &str| {
            tree.attributes().contains(&("energy/imported-total/$unit".into(), unit.into()))
        };
        assert!(unit(&tree, "kWh"));
        let mut tree = Tree::default();
        assert_eq!(told(&mut tree, "6-0:1.0.0", "44442000000", "J").1, "44.442000000");
        assert!(unit(&tree, "GJ"));
    }

    #[test]
    fn ids_have_small_letters_digits_and_inner_hyphens() {
        for (text, expected) in [("Haus_1", "haus-1"), ("-x-", "x"), ("", "unnamed"), ("\u{e4}", "unnamed")] {
            assert_eq!(id(text), expected);
        }
    }
}
