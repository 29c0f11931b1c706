//! One simulated meter with its household, its faults and its ledger, without IO: time goes in, bytes come out.
use crate::cipher::Envelope;
use crate::fault::{self, Fault, FaultKind};
use crate::household::{Energies, Household};
use crate::ledger::{Said, Sent};
use crate::meter::{EXAMPLE_KEYS, Emission, MeterKind, Moment, SetUp, VirtualMeter};
use crate::random::{Random, mix};
use metergate_meter::{Key, LineSettings};
use std::fmt;
use std::time::Duration;

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which meter.
    pub kind: MeterKind,
    /// The household behind it, its number, and the damage; the same seed gives the same.
    pub seed: u64,
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub start_s: i64,
    /// What is added to the time before the household is asked what happens: 0, or enough for the sun to shine.
    pub scene_s: i64,
    /// Encryption key; without one, the first of [`EXAMPLE_KEYS`].
    pub key: Option<Key>,
    /// Authentication key; without one, the second of [`EXAMPLE_KEYS`].
    pub auth_key: Option<Key>,
    /// What goes wrong, and how often.
    pub faults: Vec<Fault>,
    /// The head goes to sleep after four minutes, and the next request only wakes it. KMP only.
    pub sleeps: bool,
}

impl Settings {
    /// A meter of this kind without faults.
    #[must_use]
    pub const fn new(kind: MeterKind, seed: u64, start_s: i64) -> Self {
        Self { kind, seed, start_s, scene_s: 0, key: None, auth_key: None, faults: Vec::new(), sleeps: false }
    }
}

/// Settings that do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsError {
    /// This fault cannot happen to this meter.
    FaultDoesNotFit {
        /// The fault.
        fault: FaultKind,
        /// The meter.
        kind: MeterKind,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::FaultDoesNotFit { fault, kind } = self;
        let why = match fault {
            FaultKind::Echo => "which speaks without being asked",
            _ => "which does not encrypt",
        };
        write!(f, "the fault `{}` cannot happen to {}, {why}", fault.name(), kind.name())
    }
}

impl std::error::Error for SettingsError {}

/// Bytes on their way to the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The bytes; empty when a fault swallowed them.
    pub bytes: Vec<u8>,
    /// How long the meter takes before the first one leaves.
    pub delay: Duration,
    /// Offsets in the bytes before which the line rests, and for how long.
    pub pauses: Vec<(usize, Duration)>,
    /// How the meter's line is set for them, if the protocol changes it.
    pub line: Option<LineSettings>,
    /// The ledger's line; `None` for parts of a handshake.
    pub sent: Option<Sent>,
}

/// A meter at work.
///
/// ```
/// use metergate_simulator::{MeterKind, Settings, Simulation};
///
/// let mut meter = Simulation::new(Settings::new(MeterKind::KaifaMa309mNetzNoe, 1, 1_775_986_800))?;
/// let telegram = &meter.push(1_775_986_805)[0];
/// assert_eq!(telegram.bytes.len(), 282, "two M-Bus frames, as the real one sends");
/// let sent = telegram.sent.as_ref().unwrap();
/// assert_eq!(sent.said.registers.len(), 13);
///
/// let mut settings = Settings::new(MeterKind::Dsmr5, 1, 0);
/// settings.faults.push("wrong-key:1".parse().unwrap());
/// assert!(Simulation::new(settings).is_err(), "it has no key");
/// # Ok::<(), metergate_simulator::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Simulation {
    settings: Settings,
    set_up: SetUp,
    meter: VirtualMeter,
    house: Household,
    random: Random,
    /// Bytes that have left.
    offset: u64,
}

/// What a fault does to the meaning of a telegram, before it is put together.
#[derive(Debug, Default)]
struct Tampering {
    clock_error_s: i64,
    envelope: Envelope,
    words: Vec<String>,
}

impl Tampering {
    fn moment<'a>(&self, house: &'a Household) -> Moment<'a> {
        Moment {
            house,
            clock_s: house.now_s() + self.clock_error_s,
            doubtful: self.clock_error_s != 0,
            envelope: self.envelope,
        }
    }
}

impl Simulation {
    /// A meter that has just been switched on.
    ///
    /// # Errors
    /// [`SettingsError::FaultDoesNotFit`] for a fault that cannot happen to this meter.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let kind = settings.kind;
        for Fault { kind: fault, .. } in &settings.faults {
            let fits = match fault {
                FaultKind::WrongKey | FaultKind::Replay => kind.is_encrypted(),
                FaultKind::Echo => kind.interval().is_none(),
                _ => true,
            };
            if !fits {
                return Err(SettingsError::FaultDoesNotFit { fault: *fault, kind });
            }
        }
        let [key, auth_key] = EXAMPLE_KEYS.map(Key::new);
        let set_up = SetUp {
            kind,
            seed: settings.seed,
            start_s: settings.start_s,
            key: settings.key.clone().unwrap_or(key),
            auth_key: settings.auth_key.clone().unwrap_or(auth_key),
            changes: 0,
        };
        let house = Household::with_scene(settings.seed, settings.start_s, settings.scene_s);
        let meter = VirtualMeter::new(&set_up, settings.sleeps);
        let random = Random::new(settings.seed ^ 0xFA17);
        Ok(Self { settings, set_up, meter, house, random, offset: 0 })
    }

    /// Which meter this is.
    #[must_use]
    pub const fn kind(&self) -> MeterKind {
        self.settings.kind
    }

    /// The household behind it.
    #[must_use]
    pub const fn house(&self) -> &Household {
        &self.house
    }

    /// What the meter sends by itself at a second since 1970-01-01T00:00:00Z; from a meter that is asked, what it
    /// would answer to the usual request, as a capture has it.
    pub fn push(&mut self, unix_s: i64) -> Vec<Output> {
        self.house.advance_to(unix_s);
        let tampering = self.tamper();
        let emission = self.meter.telegram(&tampering.moment(&self.house));
        self.leave(emission, tampering, &self.meter.usual_request())
    }

    /// What the meter answers to bytes of a reader; nothing while a request is not complete.
    ///
    /// `now` is any monotonic time, `unix_s` the time of day.
    pub fn hear(&mut self, bytes: &[u8], now: Duration, unix_s: i64) -> Vec<Output> {
        self.house.advance_to(unix_s);
        // Which faults happen is only decided when there is a telegram: handshakes go through.
        let moment = Tampering::default().moment(&self.house);
        let mut emissions = self.meter.hear(bytes, now, &moment);
        if emissions.iter().any(|emission| emission.said.is_some()) {
            let tampering = self.tamper();
            if !tampering.words.is_empty() {
                // The meter says something else than before: it is asked again.
                let moment = tampering.moment(&self.house);
                self.meter.say_again(&mut emissions, &moment);
            }
            let request = bytes.to_vec();
            let mut tampering = Some(tampering);
            return emissions
                .into_iter()
                .flat_map(|emission| match tampering.take_if(|_| emission.said.is_some()) {
                    Some(tampering) => self.leave(emission, tampering, &request),
                    None => vec![self.pass(emission)],
                })
                .collect();
        }
        emissions.into_iter().map(|emission| self.pass(emission)).collect()
    }

    /// Tells a meter that waits for a reader's next word that time has passed.
    pub fn expire(&mut self, now: Duration) {
        self.meter.expire(now);
    }

    /// Rolls the dice for the faults that change what the meter says.
    fn tamper(&mut self) -> Tampering {
        let mut tampering = Tampering::default();
        for fault in self.settings.faults.clone() {
            if !fault.kind.happens_in_the_meter() || !self.random.chance(fault.per_million) {
                continue;
            }
            let words = match fault.kind {
                FaultKind::WrongKey => {
                    tampering.envelope = Envelope::WrongKey;
                    "wrong-key: sealed with another key".to_owned()
                }
                FaultKind::Replay => {
                    tampering.envelope = Envelope::Replayed;
                    "replay: sealed with the counter of the telegram before".to_owned()
                }
                FaultKind::Clock => {
                    // Five minutes to three days, either way.
                    let error = 300 + i64::try_from(self.random.below(3 * 86_400)).unwrap_or(0);
                    tampering.clock_error_s = if self.random.chance(500_000) { error } else { -error };
                    format!("clock: {} s off", tampering.clock_error_s)
                }
                FaultKind::Reset => {
                    *self.house.energies_mut() = Energies::default();
                    "reset: all registers begin again at 0".to_owned()
                }
                _ => {
                    self.set_up.changes += 1;
                    let seed = mix(self.settings.seed ^ self.set_up.changes);
                    self.house = Household::with_scene(seed, self.house.now_s(), self.settings.scene_s);
                    self.meter = VirtualMeter::new(&self.set_up, self.settings.sleeps);
                    "swap: another meter hangs in the same place".to_owned()
                }
            };
            tampering.words.push(words);
        }
        tampering
    }

    /// A part of a handshake: it leaves as it is.
    fn pass(&mut self, emission: Emission) -> Output {
        let (offset, length) = (self.offset, emission.bytes.len() as u64);
        self.offset += length;
        let Emission { bytes, said, pauses, line, delay } = emission;
        let sent = said.map(|said| Sent { offset, length, said, faults: Vec::new(), is_whole: true });
        Output { bytes, delay, pauses, line, sent }
    }

    /// Rolls the dice for the faults that happen on the line, and writes the ledger.
    fn leave(&mut self, emission: Emission, tampering: Tampering, request: &[u8]) -> Vec<Output> {
        let Emission { mut bytes, said, mut pauses, line, delay } = emission;
        let Some(said) = said else { return Vec::new() };
        let (mut words, mut front, mut twice) = (tampering.words, Vec::new(), false);
        let mut is_whole = tampering.envelope == Envelope::Right;
        for fault in self.settings.faults.clone() {
            if fault.kind.happens_in_the_meter() || !self.random.chance(fault.per_million) {
                continue;
            }
            match fault.kind {
                FaultKind::Duplicate => twice = true,
                FaultKind::Noise => {
                    let burst = fault::noise(&mut self.random);
                    words.push(format!("noise: {} foreign bytes before it", burst.len()));
                    front.extend(burst);
                }
                FaultKind::Echo => {
                    words.push(format!("echo: the {} bytes of the request before it", request.len()));
                    front.extend_from_slice(request);
                }
                FaultKind::Silence => {
                    words.push("silence: it never leaves".to_owned());
                    is_whole = false;
                    bytes.clear();
                }
                kind => {
                    if let Some(damage) = fault::damage(kind, &mut bytes, &mut self.random) {
                        words.push(damage);
                        is_whole = false;
                        pauses.clear();
                    }
                }
            }
        }
        if bytes.is_empty() {
            let sent = Sent { offset: self.offset, length: 0, said, faults: words, is_whole: false };
            return vec![Output { bytes, delay, pauses, line, sent: Some(sent) }];
        }
        pauses.iter_mut().for_each(|(at, _)| *at += front.len());
        let mut outputs = Vec::new();
        let again = twice.then(|| (bytes.clone(), said.clone(), words.clone()));
        let sent = self.note(front.len(), bytes.len(), said, words, is_whole);
        front.append(&mut bytes);
        outputs.push(Output { bytes: front, delay, pauses, line, sent: Some(sent) });
        if let Some((bytes, said, mut words)) = again {
            words.push("duplicate: the same bytes once more".to_owned());
            // The counter in them is the one of the first.
            let is_whole = is_whole && !self.settings.kind.is_encrypted();
            let sent = self.note(0, bytes.len(), said, words, is_whole);
            outputs.push(Output {
                bytes,
                delay: Duration::ZERO,
                pauses: Vec::new(),
                line: None,
                sent: Some(sent),
            });
        }
        outputs
    }

    /// A line of the ledger for the next `len` bytes behind `front_len` foreign ones.
    fn note(
        &mut self,
        front_len: usize,
        len: usize,
        said: Said,
        faults: Vec<String>,
        is_whole: bool,
    ) -> Sent {
        let (offset, length) = (self.offset + front_len as u64, len as u64);
        self.offset = offset + length;
        Sent { offset, length, said, faults, is_whole }
    }
}
