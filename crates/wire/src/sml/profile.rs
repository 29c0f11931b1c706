//! Load profiles: GetProfilePackResponse and GetProfileListResponse (SML 1.04, clauses 5.1.9 and 5.1.11).
//!
//! ```text
//! 78  GetProfilePackResponse              79  GetProfileListResponse
//!   serverId                                serverId
//!   actTime                                 actTime
//!   regPeriod                               regPeriod
//!   parameterTreePath                       parameterTreePath
//!   header_List of                          valTime
//!     73 objName unit scaler                status
//!   period_List of                          period_List of
//!     74 valTime status value_List            75 objName unit scaler value valueSignature
//!        of 72 value valueSignature         rawdata, optional
//!        periodSignature                    periodSignature, optional
//!   rawdata, optional
//!   profileSignature, optional
//! ```
//!
//! The first gives many periods of the same registers: each period has one value for each header, in the same order.
use super::list::{Time, Value};
use super::tlv::{self, Element, Error, ListOf};
use crate::{Full, Reader, Writer};

/// Names the register of one column of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileHeader {
    /// The OBIS code.
    pub obj_name: [u8; 6],
    /// Unit as a DLMS code.
    pub unit: u8,
    /// Power of ten by which the numbers are multiplied.
    pub scaler: i8,
}

impl<'a> Element<'a> for ProfileHeader {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 3)?;
        Ok(Self { obj_name: tlv::obj_name(reader)?, unit: tlv::u8(reader)?, scaler: tlv::i8(reader)? })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 3)?;
        tlv::emit_octets(out, &self.obj_name)?;
        tlv::emit_unsigned(out, self.unit.into(), 1)?;
        tlv::emit_integer(out, self.scaler.into(), 1)
    }
}

/// One value of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodValue<'a> {
    /// The value; unit and scaler stand in the header of the same place.
    pub value: Value<'a>,
    /// A signature over the value.
    pub value_signature: Option<&'a [u8]>,
}

impl<'a> Element<'a> for PeriodValue<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 2)?;
        Ok(Self { value: Value::read(reader)?, value_signature: tlv::optional_octets(reader)? })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 2)?;
        self.value.emit(out)?;
        tlv::emit_octets(out, self.value_signature.unwrap_or_default())
    }
}

/// The values of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period<'a, V = ListOf<'a, PeriodValue<'a>>> {
    /// When they were taken.
    pub val_time: Time,
    /// The status word; its bits are the maker's.
    pub status: u64,
    /// As many values as the profile has headers.
    pub values: V,
    /// A signature over the period.
    pub period_signature: Option<&'a [u8]>,
}

impl<'a> Element<'a> for Period<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 4)?;
        Ok(Self {
            val_time: Time::read(reader)?,
            status: tlv::u64(reader)?,
            values: ListOf::read(reader)?,
            period_signature: tlv::optional_octets(reader)?,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        self.emit_with(out, self.values)
    }
}

impl<'a, V> Period<'a, V> {
    fn emit_with(
        &self,
        out: &mut Writer<'_>,
        values: impl ExactSizeIterator<Item = PeriodValue<'a>>,
    ) -> Result<(), Full> {
        tlv::emit_list_head(out, 4)?;
        self.val_time.emit(out)?;
        tlv::emit_unsigned(out, self.status, 1)?;
        tlv::emit_list_head(out, values.len())?;
        for value in values {
            value.emit(out)?;
        }
        tlv::emit_octets(out, self.period_signature.unwrap_or_default())
    }
}

/// A load profile: periods of the same registers.
///
/// As it is read, the parts are [`ListOf`]s; to emit one, slices will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetProfilePackResponse<
    'a,
    T = ListOf<'a, &'a [u8]>,
    H = ListOf<'a, ProfileHeader>,
    P = ListOf<'a, Period<'a>>,
> {
    /// Which meter this is.
    pub server_id: &'a [u8],
    /// The meter's time.
    pub act_time: Time,
    /// Length of a period in seconds.
    pub reg_period: u32,
    /// Which profile this is: one or more OBIS codes.
    pub parameter_tree_path: T,
    /// The registers.
    pub headers: H,
    /// The periods, in the order of the line.
    pub periods: P,
    /// The values once more in a form of the maker.
    pub rawdata: Option<&'a [u8]>,
    /// A signature over the profile.
    pub profile_signature: Option<&'a [u8]>,
}

impl GetProfilePackResponse<'_> {
    /// The number that names this message body.
    pub const TAG: u32 = 0x0301;
}

impl<'a> GetProfilePackResponse<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 8)?;
        let server_id = tlv::octets(reader)?;
        let act_time = Time::read(reader)?;
        let reg_period = tlv::u32(reader)?;
        let parameter_tree_path = ListOf::read(reader)?;
        let headers: ListOf<'a, ProfileHeader> = ListOf::read(reader)?;
        let expected = headers.len();
        let periods = ListOf::read_with(reader, |reader| {
            let at = reader.at();
            match Period::read(reader)?.values.len() {
                found if found == expected => Ok(()),
                found => Err(Error::ElementCount { at, expected, found }),
            }
        })?;
        Ok(Self {
            server_id,
            act_time,
            reg_period,
            parameter_tree_path,
            headers,
            periods,
            rawdata: tlv::optional_octets(reader)?,
            profile_signature: tlv::optional_octets(reader)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        self.emit_with(out, self.parameter_tree_path, self.headers, self.periods, |period, out| {
            period.emit(out)
        })
    }
}

impl<'a> GetProfilePackResponse<'a, &[&'a [u8]], &[ProfileHeader], &[Period<'a, &[PeriodValue<'a>]>]> {
    /// Appends the message body; [`message::emit`](super::message::emit) puts the message around it.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let path = self.parameter_tree_path.iter().copied();
        self.emit_with(out, path, self.headers.iter().copied(), self.periods.iter(), |period, out| {
            period.emit_with(out, period.values.iter().copied())
        })
    }
}

impl<'a, T, H, P> GetProfilePackResponse<'a, T, H, P> {
    fn emit_with<Q>(
        &self,
        out: &mut Writer<'_>,
        path: impl ExactSizeIterator<Item = &'a [u8]>,
        headers: impl ExactSizeIterator<Item = ProfileHeader>,
        periods: impl ExactSizeIterator<Item = Q>,
        emit_period: impl Fn(Q, &mut Writer<'_>) -> Result<(), Full>,
    ) -> Result<(), Full> {
        tlv::emit_list_head(out, 8)?;
        tlv::emit_octets(out, self.server_id)?;
        self.act_time.emit(out)?;
        tlv::emit_unsigned(out, self.reg_period.into(), 4)?;
        emit_list(out, path)?;
        emit_list(out, headers)?;
        tlv::emit_list_head(out, periods.len())?;
        for period in periods {
            emit_period(period, out)?;
        }
        tlv::emit_octets(out, self.rawdata.unwrap_or_default())?;
        tlv::emit_octets(out, self.profile_signature.unwrap_or_default())
    }
}

fn emit_list<'a, T: Element<'a>>(
    out: &mut Writer<'_>,
    elements: impl ExactSizeIterator<Item = T>,
) -> Result<(), Full> {
    tlv::emit_list_head(out, elements.len())?;
    for element in elements {
        element.emit(out)?;
    }
    Ok(())
}

/// One register of a [`GetProfileListResponse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodEntry<'a> {
    /// Register, unit and scaler.
    pub header: ProfileHeader,
    /// The value.
    pub value: Value<'a>,
    /// A signature over the value.
    pub value_signature: Option<&'a [u8]>,
}

impl<'a> Element<'a> for PeriodEntry<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 5)?;
        Ok(Self {
            header: ProfileHeader {
                obj_name: tlv::obj_name(reader)?,
                unit: tlv::u8(reader)?,
                scaler: tlv::i8(reader)?,
            },
            value: Value::read(reader)?,
            value_signature: tlv::optional_octets(reader)?,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 5)?;
        tlv::emit_octets(out, &self.header.obj_name)?;
        tlv::emit_unsigned(out, self.header.unit.into(), 1)?;
        tlv::emit_integer(out, self.header.scaler.into(), 1)?;
        self.value.emit(out)?;
        tlv::emit_octets(out, self.value_signature.unwrap_or_default())
    }
}

/// One period of a load profile.
///
/// As it is read, path and entries are [`ListOf`]s; to emit one, slices will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetProfileListResponse<'a, T = ListOf<'a, &'a [u8]>, E = ListOf<'a, PeriodEntry<'a>>> {
    /// Which meter this is.
    pub server_id: &'a [u8],
    /// The meter's time.
    pub act_time: Time,
    /// Length of a period in seconds.
    pub reg_period: u32,
    /// Which profile this is: one or more OBIS codes.
    pub parameter_tree_path: T,
    /// When the values were taken.
    pub val_time: Time,
    /// The status word; its bits are the maker's.
    pub status: u64,
    /// The registers, in the order of the line.
    pub entries: E,
    /// The values once more in a form of the maker.
    pub rawdata: Option<&'a [u8]>,
    /// A signature over the period.
    pub period_signature: Option<&'a [u8]>,
}

impl GetProfileListResponse<'_> {
    /// The number that names this message body.
    pub const TAG: u32 = 0x0401;
}

impl<'a> GetProfileListResponse<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 9)?;
        Ok(Self {
            server_id: tlv::octets(reader)?,
            act_time: Time::read(reader)?,
            reg_period: tlv::u32(reader)?,
            parameter_tree_path: ListOf::read(reader)?,
            val_time: Time::read(reader)?,
            status: tlv::u64(reader)?,
            entries: ListOf::read(reader)?,
            rawdata: tlv::optional_octets(reader)?,
            period_signature: tlv::optional_octets(reader)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        self.emit_with(out, self.parameter_tree_path, self.entries)
    }
}

impl<'a> GetProfileListResponse<'a, &[&'a [u8]], &[PeriodEntry<'a>]> {
    /// Appends the message body; [`message::emit`](super::message::emit) puts the message around it.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        self.emit_with(out, self.parameter_tree_path.iter().copied(), self.entries.iter().copied())
    }
}

impl<'a, T, E> GetProfileListResponse<'a, T, E> {
    fn emit_with(
        &self,
        out: &mut Writer<'_>,
        path: impl ExactSizeIterator<Item = &'a [u8]>,
        entries: impl ExactSizeIterator<Item = PeriodEntry<'a>>,
    ) -> Result<(), Full> {
        tlv::emit_list_head(out, 9)?;
        tlv::emit_octets(out, self.server_id)?;
        self.act_time.emit(out)?;
        tlv::emit_unsigned(out, self.reg_period.into(), 4)?;
        emit_list(out, path)?;
        self.val_time.emit(out)?;
        tlv::emit_unsigned(out, self.status, 1)?;
        emit_list(out, entries)?;
        tlv::emit_octets(out, self.rawdata.unwrap_or_default())?;
        tlv::emit_octets(out, self.period_signature.unwrap_or_default())
    }
}
