//! What may be asked of a table, made from any bytes: random ones in tests, a fuzzer's own, a corpus
//! file. Mostly sensible numbers near each other, so that buckets are met again; now and then the
//! ends of `i64`.

use arbitrary::{Arbitrary, Result, Unstructured};
use wicketgate_engine::{Behavior, Calendar, Request, UnixMillis};

/// Where a sequence begins: 2026-11-23T04:05:06.789Z, so that calendar intervals turn nearby.
pub(crate) const START: i64 = 1_795_406_706_789;

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Asia/Kathmandu"];

const RESET: i32 = Behavior::RESET_REMAINING.bits();
const DRAIN: i32 = Behavior::DRAIN_OVER_LIMIT.bits();
const GREGORIAN: i32 = Behavior::DURATION_IS_GREGORIAN.bits();

/// A request without its strings, and when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) at: i64,
    pub(crate) key: u8,
    pub(crate) hits: i64,
    pub(crate) limit: i64,
    pub(crate) duration: i64,
    pub(crate) algorithm: i32,
    pub(crate) behavior: i32,
    pub(crate) burst: i64,
}

impl Operation {
    /// The request, in a name of the caller's.
    pub(crate) fn request<'a>(&self, name: &'a str) -> Request<'a> {
        const KEYS: [&str; 4] = ["a", "b", "a_b", "Ünïcödé \u{1f512}"];
        Request {
            name,
            unique_key: KEYS[usize::from(self.key) % KEYS.len()],
            hits: self.hits,
            limit: self.limit,
            duration: self.duration,
            algorithm: self.algorithm,
            behavior: Behavior::from_bits(self.behavior),
            burst: self.burst,
        }
    }

    pub(crate) const fn instant(&self) -> UnixMillis {
        UnixMillis::new(self.at)
    }

    pub(crate) const fn is_leaky(&self) -> bool {
        self.algorithm == 1
    }

    /// Asks and takes nothing.
    pub(crate) const fn is_probe(&self) -> bool {
        self.hits == 0 && self.behavior & RESET == 0
    }
}

/// Operations in the order they come, in one time zone.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) zone: &'static str,
    pub(crate) operations: Vec<Operation>,
}

impl Sequence {
    pub(crate) fn calendar(&self) -> Calendar {
        Calendar::new(self.zone).expect("the database has it")
    }

    /// A sequence from bytes, as long as they last.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut tape = Unstructured::new(bytes);
        Self::arbitrary(&mut tape).unwrap_or(Self { zone: "UTC", operations: Vec::new() })
    }
}

impl<'a> Arbitrary<'a> for Sequence {
    fn arbitrary(tape: &mut Unstructured<'a>) -> Result<Self> {
        let zone = ZONES[usize::from(u8::arbitrary(tape)?) % ZONES.len()];
        // Extremes end a key's story, so only some sequences have them.
        let extremes = u8::arbitrary(tape)? < 64;
        let mut draw = Draw { tape, extremes };
        let mut at = START;
        let mut known: [Option<Operation>; 4] = [None; 4];
        let mut operations = Vec::new();
        while !draw.tape.is_empty() {
            at = draw.next_instant(at, known[0].map_or(1_000, |operation| operation.duration))?;
            let key = draw.byte()? % 4;
            let slot = &mut known[usize::from(key)];
            let operation = draw.operation(at, key, *slot)?;
            *slot = Some(operation);
            operations.push(operation);
        }
        Ok(Self { zone, operations })
    }
}

struct Draw<'t, 'a> {
    tape: &'t mut Unstructured<'a>,
    extremes: bool,
}

impl Draw<'_, '_> {
    fn byte(&mut self) -> Result<u8> {
        u8::arbitrary(self.tape)
    }

    /// `0..=most`.
    fn up_to(&mut self, most: i64) -> Result<i64> {
        self.tape.int_in_range(0..=most.max(0))
    }

    fn extreme(&mut self) -> Result<i64> {
        let by = self.up_to(3)?;
        Ok(match self.byte()? % 6 {
            0 => i64::MAX - by,
            1 => i64::MIN + by,
            2 => 1 << 62,
            3 => (1 << 53) + by,
            4 => -by,
            _ => i64::arbitrary(self.tape)?,
        })
    }

    fn rarely_extreme(&mut self, usual: i64) -> Result<i64> {
        if self.extremes && self.byte()? < 24 { self.extreme() } else { Ok(usual) }
    }

    fn next_instant(&mut self, at: i64, duration: i64) -> Result<i64> {
        let window = duration.clamp(1, 1 << 40);
        let step = match self.byte()? {
            0..60 => 0,
            60..120 => self.up_to(7)?,
            120..180 => self.up_to(window / 3)?,
            180..200 => window + self.up_to(2)? - 1,
            200..215 => self.up_to(3 * window)?,
            215..225 => self.up_to(70_000)?,
            225..230 => self.up_to(40 * 86_400_000)?,
            230..245 => -self.up_to(window / 2)?,
            245..250 => -self.up_to(3 * window)?,
            _ if self.extremes => return self.extreme(),
            _ => 1,
        };
        Ok(at.saturating_add(step))
    }

    fn operation(&mut self, at: i64, key: u8, last: Option<Operation>) -> Result<Operation> {
        let mut next = match last {
            Some(last) if self.byte()? >= 12 => last,
            _ => self.configuration(key)?,
        };
        next.at = at;
        match self.byte()? {
            0..8 => next.limit = self.limit()?,
            8..14 => next.duration = self.duration(next.behavior)?,
            14..20 => next.burst = self.burst(next.limit)?,
            20..23 => next.algorithm ^= 1,
            23..26 => {
                next.behavior ^= GREGORIAN;
                next.duration = self.duration(next.behavior)?;
            }
            _ => {}
        }
        next.hits = match self.byte()? {
            0..90 => 1,
            90..120 => 0,
            120..160 => self.up_to(4)?,
            160..190 => self.up_to(next.limit.saturating_add(2).min(1 << 60))?,
            190..205 => next.limit,
            205..215 => next.burst,
            215..225 => -self.up_to(5)?,
            _ => next.limit / 2,
        };
        next.hits = self.rarely_extreme(next.hits)?;
        next.behavior &= GREGORIAN;
        next.behavior |= match self.byte()? {
            0..10 => RESET,
            10..22 => DRAIN,
            22..25 => RESET | DRAIN,
            25..40 => 1 | 2 | 16 | 1 << 20,
            _ => 0,
        };
        Ok(next)
    }

    fn configuration(&mut self, key: u8) -> Result<Operation> {
        let algorithm = i32::from(self.byte()? % 2);
        let behavior = if self.byte()? < 40 { GREGORIAN } else { 0 };
        let limit = self.limit()?;
        let (duration, burst) = (self.duration(behavior)?, self.burst(limit)?);
        Ok(Operation { at: 0, key, hits: 0, limit, duration, algorithm, behavior, burst })
    }

    fn limit(&mut self) -> Result<i64> {
        let usual = match self.byte()? {
            0..10 => 0,
            10..150 => 1 + self.up_to(12)?,
            150..220 => self.up_to(1_000)?,
            _ => self.up_to(1_000_000)?,
        };
        self.rarely_extreme(usual)
    }

    fn burst(&mut self, limit: i64) -> Result<i64> {
        let usual = match self.byte()? {
            0..150 => 0,
            150..200 => self.up_to(limit.min(1 << 40))?,
            _ => limit.min(1 << 40) + self.up_to(10)?,
        };
        self.rarely_extreme(usual)
    }

    fn duration(&mut self, behavior: i32) -> Result<i64> {
        if behavior & GREGORIAN != 0 {
            return self.up_to(5);
        }
        let usual = match self.byte()? {
            0..10 => 0,
            10..60 => 1 + self.up_to(12)?,
            60..180 => 1 + self.up_to(1_000)?,
            180..220 => 60_000,
            _ => self.up_to(100_000_000)?,
        };
        self.rarely_extreme(usual)
    }
}
