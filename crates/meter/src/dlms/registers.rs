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
use metergate_reading::{Address, Groups, Number, ObisCode, Register, Unit, Value};
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

/// OBIS code, value, and scaler and unit if they were sent.
type Item<'a> = (ObisCode, Value<'a>, Option<(i8, u8)>);

/// OBIS codes begin with a medium, which is at most 15; no text does.
const MEDIUM_MAX: u8 = 15;
/// A-XDR tag of an array.
const ARRAY: u8 = 0x01;

impl<'a> Registers<'a> {
    pub(super) fn new(body: Data<'a>, layouts: &Layouts) -> Self {
        let mut walk = body.walk();
        let mut registers =
            Self { walk, left: 1, position: 0, outer_left: None, objects: None, layout: None };
        // A value alone is the only element, and a compact array stays one value.
        let (axdr::Value::Array(list) | axdr::Value::Structure(list)) = body.value() else {
            return registers;
        };
        walk.next();
        registers.walk = walk;
        registers.left = list.len();
        let objects = push_objects(list);
        registers.layout = layouts.choose(list, objects.is_some());
        if let Some(objects) = objects {
            // The list of push objects stands first and, mostly, names itself: it is no register.
            registers.walk.next();
            registers.walk.skip_list(objects);
            let mut names = objects;
            if objects.len() == list.len() {
                names.next();
            }
            registers.objects = Some(names);
            registers.left -= 1;
            registers.position = 1;
        }
        registers
    }

    /// The next value of the list that is walked; its elements, if it has any, are left behind.
    #[inline]
    fn value(&mut self) -> Option<Value<'a>> {
        // By far the most are integers.
        match self.walk.take_integer() {
            Some(integer) => Some(Value::Number(Number::new(integer, 0))),
            None => self.other_value(),
        }
    }

    fn other_value(&mut self) -> Option<Value<'a>> {
        let element = self.walk.next()?;
        if let axdr::Value::Array(list) | axdr::Value::Structure(list) = element {
            self.walk.skip_list(list);
        }
        Some(value(element))
    }

    /// Takes `{ OBIS, value }` or `{ OBIS, value, { scaler, unit } }` if it comes next.
    #[inline]
    fn item(&mut self) -> Option<Item<'a>> {
        let before = self.walk;
        let item = self.read_item();
        if item.is_none() {
            self.walk = before;
        }
        item
    }

    #[inline]
    fn read_item(&mut self) -> Option<Item<'a>> {
        let (count @ 2..=3, code @ [0..=MEDIUM_MAX, ..]) = self.walk.take_item()? else { return None };
        let value = self.value()?;
        let scaler_unit = if count == 3 { Some(self.walk.take_scaler_unit()?) } else { None };
        Some((ObisCode::from_bytes(code), value, scaler_unit))
    }

    /// Takes an OBIS code if it comes next.
    #[inline]
    fn obis(&mut self) -> Option<ObisCode> {
        let mut ahead = self.walk;
        let code = ahead.take_octets::<6>()?;
        if !matches!(code, [0..=MEDIUM_MAX, ..]) {
            return None;
        }
        self.walk = ahead;
        Some(ObisCode::from_bytes(*code))
    }

    /// A register that the telegram names.
    #[inline]
    fn named(&self, obis: ObisCode, value: Value<'a>, scaler_unit: Option<(i8, u8)>) -> Register<'a> {
        let (scale, unit) = match (scaler_unit, self.layout) {
            (Some((scaler, unit)), _) => (scaler, Unit::from_dlms(unit)),
            (None, None) => (0, None),
            (None, Some(layout)) => layout.of_obis(obis).map_or((0, None), |row| (row.scale, row.unit)),
        };
        register(Some(obis), Address::Obis, value, scale, unit)
    }

    fn at_position(&self, position: u16, value: Value<'a>) -> Register<'a> {
        let address = Address::Position(position);
        match self.layout.and_then(|layout| layout.at_position(position)) {
            Some(row) => register(Some(row.obis), address, value, row.scale, row.unit),
            None => register(None, address, value, 0, None),
        }
    }

    /// Counts elements of the list that is walked as taken.
    fn advance(&mut self, elements: u16) {
        self.left = self.left.saturating_sub(usize::from(elements));
        if self.outer_left.is_none() {
            self.position = self.position.saturating_add(elements);
        }
    }

    /// Goes into an array or structure of items, if that is what comes next.
    fn enter(&mut self) -> bool {
        let mut ahead = self.walk;
        match ahead.next() {
            Some(axdr::Value::Array(list) | axdr::Value::Structure(list))
                if self.outer_left.is_none() && holds_items(list) =>
            {
                // What stands inside without a code has the position of the list, until the list is over.
                self.left -= 1;
                self.walk = ahead;
                self.outer_left = Some(core::mem::replace(&mut self.left, list.len()));
                true
            }
            _ => false,
        }
    }
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        while self.left == 0 {
            // A list inside is over; the outermost goes on.
            self.left = self.outer_left.take()?;
            self.position = self.position.saturating_add(1);
        }
        if let Some(objects) = &mut self.objects {
            let name = objects.next().and_then(push_object);
            let (position, value) = (self.position, self.value()?);
            self.advance(1);
            return Some(match name {
                Some(obis) => self.named(obis, value, None),
                None => self.at_position(position, value),
            });
        }
        if let Some((obis, value, scaler_unit)) = self.item() {
            self.advance(1);
            return Some(self.named(obis, value, scaler_unit));
        }
        if self.left > 1
            && let Some(obis) = self.obis()
        {
            let value = self.value()?;
            let scaler_unit = if self.left > 2 { self.walk.take_scaler_unit() } else { None };
            self.advance(if scaler_unit.is_some() { 3 } else { 2 });
            return Some(self.named(obis, value, scaler_unit));
        }
        if self.enter() {
            return self.next();
        }
        let (position, value) = (self.position, self.value()?);
        self.advance(1);
        Some(self.at_position(position, value))
    }
}

/// The push objects, when the first element is a list of them that names the elements one by one.
fn push_objects(list: Items<'_>) -> Option<Items<'_>> {
    let mut elements = list;
    // Looked at before the element is read: most telegrams have no list of push objects.
    if list.bytes().first() != Some(&ARRAY) {
        return None;
    }
    let Some(axdr::Value::Array(objects)) = elements.next() else { return None };
    let len = objects.len();
    let named = len > 0 && (len == list.len() || len + 1 == list.len());
    let mut each = objects;
    (named && each.all(|object| push_object(object).is_some())).then_some(objects)
}

/// A register whose number is scaled and has a unit; a value that is no number has neither.
#[inline]
fn register<'a>(
    obis: Option<ObisCode>,
    address: Address<'a>,
    value: Value<'a>,
    scale: i8,
    unit: Option<Unit>,
) -> Register<'a> {
    let scaled = |number: Number| number.scaled(scale).unwrap_or(number);
    let (value, unit) = match value {
        Value::Number(number) => (Value::Number(scaled(number)), unit),
        Value::Float(number) => (Value::Float(scaled(number)), unit),
        other => (other, None),
    };
    Register {
        obis,
        address,
        value,
        unit,
        time: None,
        seconds_index: None,
        status: None,
        groups: Groups::NONE,
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

/// True for a list whose first element is `{ OBIS, value, ... }`.
fn holds_items(mut list: Items<'_>) -> bool {
    let Some(axdr::Value::Structure(mut first)) = list.next() else { return false };
    (2..=3).contains(&first.len()) && first.next().as_ref().and_then(obis).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_has_no_code_inside_a_list_of_items_has_the_position_of_the_list() {
        // { null, [ { OBIS, 7 }, 8 ], 9 }: the 8 is no register of its own list, but of element 1.
        let code = [0x09, 0x06, 1, 0, 1, 8, 0, 255];
        let inner = [&[0x01, 0x02, 0x02, 0x02][..], &code, &[0x11, 7, 0x11, 8]].concat();
        let body = [&[0x02, 0x03, 0x00][..], &inner, &[0x11, 9]].concat();
        let registers = Registers::new(Data::validate(&body).unwrap(), &Layouts::new(&[], None));
        let addresses: Vec<_> = registers.map(|register| register.address).collect();
        let expected = [Address::Position(0), Address::Obis, Address::Position(1), Address::Position(2)];
        assert_eq!(addresses, expected);
    }
}
