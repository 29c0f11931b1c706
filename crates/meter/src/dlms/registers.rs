//! The registers of a data-notification.
//!
//! Meters fill the notification body in five ways, and mix them:
//!
//! ```text
//! flat       { 09 06 OBIS, value, { scaler, unit }, 09 06 OBIS, value, { scaler, unit }, ... }       Netz NÖ
//! nested     { { OBIS, value, { scaler, unit } }, { OBIS, value }, ... }                     Aidon, TINETZ
//! pairs      { OBIS, value, OBIS, value, ... }                                               Kamstrup, Landis+Gyr
//! push list  { [ { class, OBIS, attribute, index }, ... ], value, value, ... }               Landis+Gyr, Iskraemeco
//! position   { value, value, ... }                                                           Kaifa, Siemens
//! ```
use super::value::value;
use crate::layout::{Layout, Layouts};
use metergate_reading::{Address, Number, ObisCode, Register, Unit, Value};
use metergate_wire::dlms::axdr::{self, Data, Items, Walk};

/// Walks the registers of a data-notification in their order.
#[derive(Debug, Clone)]
pub struct Registers<'a> {
    walk: Walk<'a>,
    /// Elements left of the list that is walked.
    left: usize,
    /// Index of the next element in the outermost structure.
    position: u16,
    /// Elements left of the outermost structure, while a list inside it is walked.
    outer_left: Option<usize>,
    /// The push objects that name the elements to come.
    objects: Option<Items<'a>>,
    layout: Option<&'static Layout>,
}

/// OBIS codes begin with a medium, which is at most 15; no text does.
const MEDIUM_MAX: u8 = 15;

impl<'a> Registers<'a> {
    pub(super) fn new(body: Data<'a>, layouts: &Layouts) -> Self {
        let mut walk = body.walk();
        let Some(list) = body.value().items() else {
            // A value alone is the only element.
            return Self { walk, left: 1, position: 0, outer_left: None, objects: None, layout: None };
        };
        let compact = matches!(body.value(), axdr::Value::CompactArray(_));
        if compact {
            return Self { walk, left: 1, position: 0, outer_left: None, objects: None, layout: None };
        }
        walk.next();
        let mut registers =
            Self { walk, left: list.len(), position: 0, outer_left: None, objects: None, layout: None };
        match registers.push_objects(list) {
            Some(objects) => {
                // The list of push objects stands first and names itself: it is no register.
                let named_itself = objects.len() == registers.left;
                registers.objects = Some(objects);
                if let Some(axdr::Value::Array(array)) = registers.walk.next() {
                    registers.walk.skip_list(array);
                }
                registers.left -= 1;
                registers.position = 1;
                if named_itself {
                    registers.objects.as_mut().and_then(Iterator::next);
                }
                registers.layout = layouts.choose(list, true);
            }
            None => registers.layout = layouts.choose(list, false),
        }
        registers
    }

    /// The push objects, when the first element is a list of them that names the elements one by one.
    fn push_objects(&self, list: Items<'a>) -> Option<Items<'a>> {
        let axdr::Value::Array(objects) = self.walk.clone().next()? else { return None };
        let len = objects.len();
        let named = len == list.len() || len + 1 == list.len();
        let mut each = objects;
        (named && len > 0 && each.all(|object| push_object(object).is_some())).then_some(objects)
    }

    /// The next element of the list that is walked.
    fn element(&mut self) -> Option<axdr::Value<'a>> {
        if self.left == 0 {
            // The list inside is over; the outermost goes on.
            self.left = self.outer_left.take()?;
            return self.element();
        }
        self.left -= 1;
        self.walk.next()
    }

    /// A value whose tag was read, as register value. Its elements, if it has any, are left behind.
    fn finish(&mut self, element: axdr::Value<'a>) -> Value<'a> {
        if let axdr::Value::Array(list) | axdr::Value::Structure(list) = element {
            self.walk.skip_list(list);
        }
        value(element)
    }

    /// Takes `{ scaler, unit }` if it comes next.
    fn scaler_unit(&mut self) -> Option<(i8, u8)> {
        let mut ahead = self.walk;
        let scaler_unit = read_scaler_unit(&mut ahead)?;
        self.walk = ahead;
        Some(scaler_unit)
    }

    /// Reads `OBIS, value[, { scaler, unit }]` out of the structure whose tag was read, if that is what it holds.
    fn item(&mut self, children: Items<'a>) -> Option<Register<'a>> {
        let count = children.len();
        if !(2..=3).contains(&count) {
            return None;
        }
        let mut ahead = self.walk;
        let obis = obis(&ahead.next()?)?;
        let element = ahead.next()?;
        if let axdr::Value::Array(list) | axdr::Value::Structure(list) = element {
            ahead.skip_list(list);
        }
        let scaler_unit = if count == 3 { Some(read_scaler_unit(&mut ahead)?) } else { None };
        self.walk = ahead;
        Some(self.named(obis, value(element), scaler_unit))
    }

    fn named(&self, obis: ObisCode, value: Value<'a>, scaler_unit: Option<(i8, u8)>) -> Register<'a> {
        let mut register = Register { obis: Some(obis), ..Register::new(Address::Obis, value) };
        match scaler_unit {
            Some((scaler, unit)) => scale(&mut register, scaler, Unit::from_dlms(unit)),
            None => {
                if let Some(row) = self.layout.and_then(|layout| layout.of_obis(obis)) {
                    scale(&mut register, row.scale, row.unit);
                }
            }
        }
        register
    }

    fn at_position(&self, position: u16, value: Value<'a>) -> Register<'a> {
        let mut register = Register::new(Address::Position(position), value);
        if let Some(row) = self.layout.and_then(|layout| layout.at_position(position)) {
            register.obis = Some(row.obis);
            scale(&mut register, row.scale, row.unit);
        }
        register
    }
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        loop {
            let element = self.element()?;
            let position = self.position;
            if self.outer_left.is_none() {
                self.position = self.position.saturating_add(1);
            }
            if let Some(objects) = &mut self.objects {
                let name = objects.next().as_ref().and_then(|object| push_object(*object));
                let value = self.finish(element);
                return Some(match name {
                    Some(obis) => self.named(obis, value, None),
                    None => self.at_position(position, value),
                });
            }
            match element {
                axdr::Value::Octets(_) if self.left > 0 => {
                    if let Some(obis) = obis(&element) {
                        let element = self.element()?;
                        let value = self.finish(element);
                        let mut taken = 1;
                        let scaler_unit = if self.left > 0 { self.scaler_unit() } else { None };
                        if scaler_unit.is_some() {
                            self.left -= 1;
                            taken = 2;
                        }
                        if self.outer_left.is_none() {
                            self.position = self.position.saturating_add(taken);
                        }
                        return Some(self.named(obis, value, scaler_unit));
                    }
                }
                axdr::Value::Structure(children) => {
                    if let Some(register) = self.item(children) {
                        return Some(register);
                    }
                    if self.outer_left.is_none() && holds_items(children) {
                        self.outer_left = Some(core::mem::replace(&mut self.left, children.len()));
                        continue;
                    }
                }
                axdr::Value::Array(children) if self.outer_left.is_none() && holds_items(children) => {
                    self.outer_left = Some(core::mem::replace(&mut self.left, children.len()));
                    continue;
                }
                _ => {}
            }
            let value = self.finish(element);
            return Some(self.at_position(position, value));
        }
    }
}

/// Applies scaler and unit to a number; anything else has neither.
fn scale(register: &mut Register<'_>, scaler: i8, unit: Option<Unit>) {
    let scaled = |number: Number| number.scaled(scaler).unwrap_or(number);
    match &mut register.value {
        Value::Number(number) | Value::Float(number) => {
            *number = scaled(*number);
            register.unit = unit;
        }
        _ => {}
    }
}

/// The OBIS code that an element is, if it is one.
fn obis(element: &axdr::Value<'_>) -> Option<ObisCode> {
    match *element {
        axdr::Value::Octets(bytes @ [0..=MEDIUM_MAX, ..]) => bytes.try_into().ok().map(ObisCode::from_bytes),
        _ => None,
    }
}

/// The OBIS code in `{ class, OBIS, attribute, index, ... }`.
fn push_object(object: axdr::Value<'_>) -> Option<ObisCode> {
    let axdr::Value::Structure(mut fields) = object else { return None };
    let (class, name, attribute) = (fields.next()?, fields.next()?, fields.next()?);
    let shaped = matches!((class, attribute), (axdr::Value::U16(_), axdr::Value::I8(_)));
    obis(&name).filter(|_| shaped)
}

/// Reads `{ scaler, unit }`.
fn read_scaler_unit(walk: &mut Walk<'_>) -> Option<(i8, u8)> {
    let axdr::Value::Structure(_) = walk.next()? else { return None };
    match (walk.next()?, walk.next()?) {
        (axdr::Value::I8(scaler), axdr::Value::Enum(unit)) => Some((scaler, unit)),
        _ => None,
    }
}

/// True for a list whose first element is `{ OBIS, value, ... }`.
fn holds_items(mut list: Items<'_>) -> bool {
    let Some(axdr::Value::Structure(mut first)) = list.next() else { return false };
    (2..=3).contains(&first.len()) && first.next().as_ref().and_then(obis).is_some()
}
