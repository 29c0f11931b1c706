use super::*;
use proptest::prelude::*;
use std::string::ToString;
use std::{format, vec};

/// A row that owns its values.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    sequence: u64,
    time_ms: i64,
    flags: u16,
    meter_time_s: Option<i64>,
    shape: u32,
    values: Vec<i64>,
}

impl Owned {
    fn row(&self) -> Row<'_> {
        let &Self { sequence, time_ms, flags, meter_time_s, shape, ref values } = self;
        Row { sequence, time_ms, flags, meter_time_s, shape, values }
    }
}

fn encoded(rows: &[Owned]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for row in rows {
        encoder.push(&row.row()).unwrap();
    }
    assert_eq!(encoder.len(), rows.len());
    encoder.finish()
}

fn decoded(bytes: &[u8]) -> Result<Vec<Owned>, BlockError> {
    let block = Block::parse(bytes)?;
    let (mut rows, mut all) = (block.rows(), Vec::new());
    while let Some(Row { sequence, time_ms, flags, meter_time_s, shape, values }) = rows.next_row() {
        all.push(Owned { sequence, time_ms, flags, meter_time_s, shape, values: values.to_vec() });
    }
    assert_eq!(all.len(), block.len(), "a block gives as many rows as it says");
    Ok(all)
}

fn any_value() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), -300..300_i64, any::<i64>()]
}

/// Rows of shapes 0 to 5, with as many columns as the shape's number, of any values and with any gaps.
fn any_rows() -> impl Strategy<Value = Vec<Owned>> {
    let row = (1..1_u64 << 57, any_value(), any::<u16>(), any::<Option<i64>>(), 0..6_u32)
        .prop_flat_map(|head| (Just(head), prop::collection::vec(any_value(), head.4 as usize)));
    prop::collection::vec(row, 0..100).prop_map(|rows| {
        let mut sequence = 0;
        rows.into_iter()
            .map(|((gap, time_ms, flags, meter_time_s, shape), values)| {
                sequence += gap;
                Owned { sequence, time_ms, flags, meter_time_s, shape, values }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_rows_come_back(rows in any_rows()) {
        prop_assert_eq!(decoded(&encoded(&rows)), Ok(rows));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
        // Most of those above fail at the version or the counts.
        let _ = decoded(&[&[VERSION, 3, 1, 1, 2][..], &bytes].concat());
    }

    #[test]
    fn a_damaged_block_is_read_or_refused(rows in any_rows(), at: prop::sample::Index, mask in 1..=255_u8) {
        let mut bytes = encoded(&rows);
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        if let Ok(rows) = decoded(&bytes) {
            prop_assert!(rows.is_sorted_by(|a, b| a.sequence < b.sequence));
        }
    }

    #[test]
    fn a_block_that_is_cut_is_refused(rows in any_rows(), at: prop::sample::Index) {
        let bytes = encoded(&rows);
        let end = at.index(bytes.len());
        let cut = decoded(&bytes[..end]);
        prop_assert!(matches!(cut, Err(BlockError::Short { .. })), "{:?}", cut);
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert_eq!(decoded(&longer), Err(BlockError::Surplus { at: bytes.len(), left: 1 }));
    }
}

fn one_row(shape: u32, values: &[i64]) -> Owned {
    Owned { sequence: 1, time_ms: 0, flags: 0, meter_time_s: None, shape, values: values.to_vec() }
}

#[test]
fn a_block_of_known_rows_has_these_bytes() {
    let rows = [
        Owned {
            sequence: 7,
            time_ms: 1000,
            flags: 0,
            meter_time_s: Some(-1),
            shape: 3,
            values: vec![5, i64::MIN],
        },
        Owned {
            sequence: 9,
            time_ms: 500,
            flags: 0x8000,
            meter_time_s: None,
            shape: 3,
            values: vec![5, i64::MAX],
        },
    ];
    let bytes = encoded(&rows);
    let expected: [&[u8]; 9] = [
        // Version, two rows, one shape: number 3 with two columns.
        &[0x01, 0x02, 0x01, 0x03, 0x02],
        // Sequence 7, then 2 more than last time.
        &[0x00, 0x0E, 0x04],
        // Time 1000, then 500 less.
        &[0x00, 0xD0, 0x0F, 0xE7, 0x07],
        // Flags 0, then 32768 more.
        &[0x00, 0x00, 0x80, 0x80, 0x04],
        // The first row has a meter time, the second has none; it is -1.
        &[0x00, 0x02, 0x01],
        &[0x00, 0x01],
        // Both have shape 3.
        &[0x00, 0x06, 0x00],
        // 5 and 5; then the smallest number and one less, which wraps to the largest.
        &[0x00, 0x0A, 0x00],
        &[0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x01],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(decoded(&bytes), Ok(rows.to_vec()));
}

#[test]
fn late_rows_and_changing_shapes_keep_their_order() {
    let row = |sequence, time_ms, shape, values: &[i64]| Owned {
        sequence,
        time_ms,
        flags: 0,
        meter_time_s: None,
        shape,
        values: values.to_vec(),
    };
    let rows = vec![
        row(10, 60_000, 9, &[1, 2, 3]),
        row(11, 61_000, 4, &[]),
        row(12, 3_000, 9, &[4, 5, 6]),
        row(900, 62_000, 2, &[-1]),
        row(u64::MAX, 63_000, 9, &[7, 8, 9]),
    ];
    assert_eq!(decoded(&encoded(&rows)), Ok(rows));
}

#[test]
fn a_full_block_refuses_the_next_row_and_stays_whole() {
    let mut encoder = Encoder::new();
    let row = |sequence| Row { sequence, time_ms: 5, flags: 1, meter_time_s: None, shape: 0, values: &[] };
    for sequence in 0..36_000 {
        encoder.push(&row(sequence)).unwrap();
    }
    assert_eq!(encoder.push(&row(36_000)), Err(RowError::Full { rows: 36_000, values: 0 }));
    let bytes = encoder.finish();
    assert!(bytes.len() < 40, "{} bytes", bytes.len());
    assert_eq!(decoded(&bytes).unwrap().len(), 36_000);
}

#[test]
fn values_of_a_block_are_limited_as_well_as_rows() {
    let values = vec![0; COLUMNS_MAX];
    let mut encoder = Encoder::new();
    let row =
        |sequence| Row { sequence, time_ms: 0, flags: 0, meter_time_s: None, shape: 0, values: &values };
    let fit = u64::try_from(VALUES_MAX / COLUMNS_MAX).unwrap();
    for sequence in 0..fit {
        encoder.push(&row(sequence)).unwrap();
    }
    assert!(matches!(encoder.push(&row(fit)), Err(RowError::Full { rows: 488, .. })));
    // The same with more rows than fit, spelled by hand: their count is the second number.
    let mut bytes = encoder.finish();
    assert_eq!(bytes[..3], [0x01, 0xE8, 0x03]);
    assert!(decoded(&bytes).is_ok());
    bytes[2] = 0x04;
    assert!(matches!(decoded(&bytes), Err(BlockError::TooMany { quantity: Quantity::Values, .. })));
    let wide = vec![0; COLUMNS_MAX + 1];
    let wide = Row { values: &wide, ..row(0) };
    assert_eq!(Encoder::new().push(&wide), Err(RowError::TooManyColumns { found: 4097 }));
}

#[test]
fn no_rows_make_an_empty_block() {
    let bytes = Encoder::new().finish();
    assert_eq!(bytes, [0x01, 0x00, 0x00]);
    assert!(Block::parse(&bytes).unwrap().is_empty());
}

#[test]
fn another_version_is_refused() {
    assert_eq!(decoded(&[2, 0, 0]), Err(BlockError::Version { found: 2 }));
    assert_eq!(decoded(&[]), Err(BlockError::Short { at: 0 }));
}

#[test]
fn what_no_row_can_have_is_refused() {
    let bytes = encoded(&[one_row(3, &[])]);
    // Sequence, time, flags, mark and shape of the only row, each coding and first value.
    assert_eq!(bytes, [1, 1, 1, 3, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 6]);
    let with = |at: usize, replaced: &[u8]| {
        let mut bytes = bytes.clone();
        bytes.splice(at..=at, replaced.iter().copied());
        decoded(&bytes)
    };
    let impossible = |quantity, found| Err(BlockError::Impossible { row: 0, quantity, found });
    assert_eq!(with(10, &[0x80, 0x80, 0x08]), impossible(Quantity::Flags, 65_536));
    assert_eq!(with(10, &[1]), impossible(Quantity::Flags, -1));
    assert_eq!(with(12, &[4]), impossible(Quantity::MeterTimes, 2));
    assert_eq!(with(14, &[8]), impossible(Quantity::Shapes, 4));
    // A shape number beyond 32 bits.
    let error = BlockError::TooMany {
        at: 3,
        quantity: Quantity::ShapeNumbers,
        max: 0xFFFF_FFFF,
        found: 0x1_0000_0000,
    };
    assert_eq!(with(3, &[0x80, 0x80, 0x80, 0x80, 0x10]), Err(error));
}

#[test]
fn sequence_numbers_out_of_order_are_refused() {
    let mut bytes = encoded(&[one_row(0, &[]), Owned { sequence: 2, ..one_row(0, &[]) }]);
    // Version, two rows, one shape of no columns; then sequence 1, and one more.
    assert_eq!(bytes[..8], [1, 2, 1, 0, 0, 0, 2, 2]);
    bytes[7] = 0;
    assert_eq!(decoded(&bytes), Err(BlockError::NotAscending { row: 1, previous: 1, found: 1 }));
    // Two less than 1 wraps to the largest number, which is higher.
    bytes[7] = 3;
    assert_eq!(decoded(&bytes).unwrap()[1].sequence, u64::MAX);
    bytes[7] = 1;
    assert_eq!(decoded(&bytes), Err(BlockError::NotAscending { row: 1, previous: 1, found: 0 }));
}

#[test]
fn shapes_that_nobody_has_or_out_of_order_are_refused() {
    // Two rows of shape 0; the list names shapes 0 and 7.
    let rows: &[u8] = &[2, 2, 1, 0, 2, 2, 0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 0];
    let rows = &[&[1, 2, 2, 0, 0, 7, 9][..], rows].concat();
    assert!(matches!(decoded(rows), Err(BlockError::Shapes { at: 5, found: 7 })), "{:?}", decoded(rows));
    for second in [0, 1] {
        let error = BlockError::Shapes { at: 5, found: second.into() };
        assert_eq!(decoded(&[1, 2, 2, 1, 0, second, 0]), Err(error));
    }
    let error = BlockError::TooMany { at: 2, quantity: Quantity::Shapes, max: 2, found: 3 };
    assert_eq!(decoded(&[1, 2, 3]), Err(error));
    let error = BlockError::TooMany { at: 4, quantity: Quantity::Columns, max: 4096, found: 4097 };
    assert_eq!(decoded(&[1, 2, 1, 0, 0x81, 0x20]), Err(error));
}

#[test]
fn errors_say_where_and_what() {
    let error = Block::parse(&[1, 0x81, 0x80, 0x80, 1]).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the block counts 2097153 rows at byte 1, where 36000 are possible");
    let error = RowError::OtherWidth { shape: 1, expected: 12, found: 11 };
    assert_eq!(format!("{error}"), "the row has 11 columns, earlier ones of its shape 1 have 12");
}
