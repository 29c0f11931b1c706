//! Random interleavings of appending, committing, sealing, closing and crashing, held against a list.
use crate::place::{NOON_MS, Place, SOON, all_rows, measured, row};
use metergate_gateway::config::Stream;
use metergate_gateway::store::{Measured, Row, RowFlags, Store, UseCase};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    /// Rows of a meter, so many seconds apart.
    Append {
        meter: u8,
        count: u8,
        step_s: i64,
    },
    /// A row from the past.
    Late {
        back_s: i64,
    },
    QuarterHour,
    Cursor,
    Commit,
    Close,
    Kill,
    PowerCut,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..3_u8, 1..40_u8, 1..200_i64).prop_map(|(meter, count, step_s)| Op::Append { meter, count, step_s }),
        1 => (1..9_000_i64).prop_map(|back_s| Op::Late { back_s }),
        2 => Just(Op::QuarterHour),
        2 => Just(Op::Cursor),
        3 => Just(Op::Commit),
        1 => Just(Op::Close),
        1 => Just(Op::Kill),
        1 => Just(Op::PowerCut),
    ]
}

/// What must be in the store.
#[derive(Default)]
struct Model {
    rows: Vec<Row>,
    measured: Vec<Measured>,
    cursor: Option<u64>,
    now_s: i64,
}

impl Model {
    fn append(&mut self, store: &Store, row: Row) {
        self.rows.push((*store.append(row)).clone());
    }

    /// All that was put in is there, or after a power cut a front of it that has at least what was committed.
    fn hold(&mut self, store: &Store, committed: Option<(u64, u64)>) {
        let mut reader = store.reader();
        let measured = reader.measured_after(0, 100_000).unwrap();
        let rows = all_rows(store);
        if let Some((least_rows, least_measured)) = committed {
            assert!(rows.len() as u64 >= least_rows && measured.len() as u64 >= least_measured);
            self.rows.truncate(rows.len());
            self.measured.truncate(measured.len());
            self.cursor = reader.cursor("sink", Stream::Readings).unwrap();
        }
        assert_eq!(rows, self.rows);
        assert_eq!(measured, self.measured);
        assert_eq!(reader.cursor("sink", Stream::Readings).unwrap(), self.cursor);
        for meter in ["house", "garage", "roof"] {
            let mut expected: Vec<Row> =
                self.rows.iter().filter(|row| &*row.meter == meter).cloned().collect();
            expected.sort_by_key(|row| row.at.unix_ms);
            let found: Vec<Row> =
                reader.range(meter, i64::MIN, i64::MAX).unwrap().map(Result::unwrap).collect();
            assert_eq!(found, expected);
            let latest = expected.iter().max_by_key(|row| (row.at.unix_ms, row.seq)).cloned();
            assert_eq!(reader.latest(meter).unwrap(), latest);
        }
        let seqs: Vec<u64> = self.rows.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    }
}

fn play(ops: &[Op]) {
    let mut place = Place::new();
    let (mut store, _) = place.open();
    let mut model = Model::default();
    for op in ops {
        match *op {
            Op::Append { meter, count, step_s } => {
                for n in 0..i64::from(count) {
                    model.now_s += step_s;
                    let name = ["house", "garage", "roof"][usize::from(meter)];
                    let row = row(name, NOON_MS + model.now_s * 1000, [model.now_s * 3, n]);
                    model.append(&store, row);
                }
            }
            Op::Late { back_s } => {
                let ms = NOON_MS + (model.now_s - back_s) * 1000 + 500;
                model.append(&store, Row { flags: RowFlags::LATE, ..row("house", ms, [1, 1]) });
            }
            Op::QuarterHour => {
                let mark_s = i64::try_from(model.measured.len()).unwrap() * 900;
                let one = measured(mark_s, 100, UseCase::Taf7LoadProfile);
                let seq = store.measured(one.clone());
                model.measured.push(Measured { seq, ..one });
            }
            Op::Cursor => {
                let seq = model.rows.last().map_or(0, |row| row.seq) / 2;
                store.set_cursor("sink", Stream::Readings, seq);
                model.cursor = Some(seq);
            }
            Op::Commit => assert!(store.flush_blocking(SOON)),
            Op::Close => {
                assert!(store.close(SOON));
                (store, _) = place.open();
                model.hold(&store, None);
            }
            Op::Kill => {
                let copy = place.crash(true);
                (store, _) = copy.open();
                place = copy;
                model.hold(&store, None);
            }
            Op::PowerCut => {
                let committed = *store.committed().borrow();
                let copy = place.crash(false);
                (store, _) = copy.open();
                place = copy;
                model.hold(&store, Some((committed.rows, committed.measured)));
            }
        }
    }
    assert!(store.flush_blocking(SOON));
    model.hold(&store, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_what_was_promised(ops in prop::collection::vec(op(), 1..40)) {
        play(&ops);
    }
}
