//! The pickle format: a length of four bytes, then `[(name, (seconds, value)), ..]` in Python's pickle protocol 2.
//!
//! Only what this list needs is written; the codes are those of Python's `pickletools`.
use super::Metric;

const PROTOCOL_2: [u8; 2] = [0x80, 2];
const EMPTY_LIST: u8 = b']';
const MARK: u8 = b'(';
const TEXT: u8 = b'X';
const INTEGER: u8 = b'J';
const LONG: u8 = 0x8A;
const FLOAT: u8 = b'G';
const TUPLE_OF_TWO: u8 = 0x86;
const APPENDS: u8 = b'e';
const STOP: u8 = b'.';

/// The message of some metrics.
pub(super) fn message(metrics: &[Metric]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(PROTOCOL_2);
    body.extend([EMPTY_LIST, MARK]);
    for metric in metrics {
        // Names are cut from texts of 200 characters at most; one of 4 GiB does not exist.
        let Ok(len) = u32::try_from(metric.name.len()) else { continue };
        // Float: Python's pickle has no decimals, and Graphite stores this very type.
        let Ok(value) = metric.value.to_string().parse::<f64>() else { continue };
        body.push(TEXT);
        body.extend(len.to_le_bytes());
        body.extend(metric.name.as_bytes());
        match i32::try_from(metric.unix_s) {
            Ok(seconds) => {
                body.push(INTEGER);
                body.extend(seconds.to_le_bytes());
            }
            // From 2038 on.
            Err(_) => {
                body.extend([LONG, 8]);
                body.extend(metric.unix_s.to_le_bytes());
            }
        }
        body.push(FLOAT);
        body.extend(value.to_be_bytes());
        body.extend([TUPLE_OF_TWO, TUPLE_OF_TWO]);
    }
    body.extend([APPENDS, STOP]);
    // A piece has at most 50 readings.
    let len = u32::try_from(body.len()).unwrap_or_default();
    [&len.to_be_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Number;

    #[test]
    fn a_message_has_these_bytes() {
        let metric = Metric { name: "a.b".to_owned(), value: Number::new(25, -1), unix_s: 1_692_199_171 };
        let mut expected = vec![0, 0, 0, 30, 0x80, 2, b']', b'(', b'X', 3, 0, 0, 0, b'a', b'.', b'b'];
        expected.extend([
            b'J', 0x03, 0xE9, 0xDC, 0x64, b'G', 0x40, 0x04, 0, 0, 0, 0, 0, 0, 0x86, 0x86, b'e', b'.',
        ]);
        assert_eq!(message(&[metric]), expected);
    }

    #[test]
    fn python_reads_it_and_goes_on_after_2038() {
        let metrics = [
            Metric { name: "leistung.ü".to_owned(), value: Number::new(-309, -3), unix_s: 1_692_199_171 },
            Metric { name: "later".to_owned(), value: Number::new(4_294_967_296, -4), unix_s: 4_102_444_800 },
        ];
        let bytes = message(&metrics);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message");
        std::fs::write(&file, &bytes[4..]).unwrap();
        let program = "import pickle, sys; print(ascii(pickle.load(open(sys.argv[1], 'rb'))))";
        let output = std::process::Command::new("python3").args(["-c", program]).arg(&file).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            "[('leistung.\\xfc', (1692199171, -0.309)), ('later', (4102444800, 429496.7296))]"
        );
    }
}
