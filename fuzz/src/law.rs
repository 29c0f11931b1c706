//! The law of all scanners: an answer is final, it is the same for every extension of the bytes.
use metergate_wire::Scan;

/// What a scanner said, without what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    NeedMore,
    Skip(usize),
    Frame(usize),
    Bad(usize),
}

impl<F, E> From<Scan<F, E>> for Said {
    fn from(scan: Scan<F, E>) -> Self {
        match scan {
            Scan::NeedMore => Self::NeedMore,
            Scan::Skip(len) => Self::Skip(len),
            Scan::Frame { len, .. } => Self::Frame(len),
            Scan::Bad { len, .. } => Self::Bad(len),
        }
    }
}

/// Walks a stream with a scanner as a conversation does, checks the law on the way, and counts the frames.
///
/// # Panics
/// When the law is broken.
pub(crate) fn frames(bytes: &[u8], scan: impl Fn(&[u8]) -> Said) -> usize {
    let (mut rest, mut frames) = (bytes, 0);
    while !rest.is_empty() {
        let said = scan(rest);
        check_prefixes(rest, said, &scan);
        let step = match said {
            Said::NeedMore => break,
            Said::Skip(len) => len,
            Said::Frame(len) => {
                frames += 1;
                len
            }
            // The claimed length may be wrong: the next frame may begin inside.
            Said::Bad(len) => {
                assert!(len >= 1, "a bad frame has at least a byte");
                1
            }
        };
        assert!(step >= 1, "{said:?} makes no progress");
        assert!(step <= rest.len(), "{said:?} is longer than the {} bytes that were seen", rest.len());
        rest = &rest[step..];
    }
    frames
}

fn check_prefixes(bytes: &[u8], said: Said, scan: impl Fn(&[u8]) -> Said) {
    // All short prefixes, where headers end, and a few long ones.
    let long = (1..16).map(|part| bytes.len() * part / 16);
    for len in (0..bytes.len().min(20)).chain(long) {
        let early = scan(&bytes[..len]);
        let same = match (early, said) {
            (Said::NeedMore, _) => true,
            // More bytes may show more noise, never less.
            (Said::Skip(some), Said::Skip(more)) => some <= more,
            _ => early == said,
        };
        assert!(same, "{early:?} after {len} bytes became {said:?} after {}", bytes.len());
    }
}
