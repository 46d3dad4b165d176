//! From verdicts to bytes.

use bytes::Bytes;
use engine::{Status, Verdict};

/// Something an answer says beside its numbers, under `metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// Who decided, where it was not the node that was asked.
    Owner(&'a str),
    /// Who decided in the owner's place, and by which rule.
    Degraded(&'a str),
    /// A limit in audit mode would have refused this.
    Audit,
}

impl<'a> Note<'a> {
    const fn entry(self) -> (&'static str, &'a str) {
        match self {
            Self::Owner(address) => ("owner", address),
            Self::Degraded(how) => ("degraded", how),
            Self::Audit => ("audit", "OVER_LIMIT"),
        }
    }
}

/// A GetRateLimitsResp or GetPeerRateLimitsResp as it is written, item by item: both are items under
/// field 1.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
}

/// Bytes of an answer without notes, its tag and length included: five fields of at most eleven.
const TYPICAL: usize = 40;

impl Answers {
    /// Room for `items` answers after `prefix` bytes, which the transport fills in.
    #[must_use]
    pub fn with_room(prefix: usize, items: usize) -> Self {
        // The last answer is written in a window that it seldom fills.
        let mut bytes = Vec::with_capacity(prefix + items * TYPICAL + Body::ROOM);
        bytes.resize(prefix, 0);
        Self { bytes }
    }

    /// What has been written, the prefix included.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How much has been written, the prefix included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One decided item.
    #[inline]
    pub fn verdict(&mut self, verdict: &Verdict, notes: &[Note<'_>]) {
        let start = self.bytes.len();
        // In place, in a window of fixed size: no call to copy a few bytes, and no bound to check.
        self.bytes.resize(start + Body::ROOM, 0);
        let Some(room) = self.bytes[start..].first_chunk_mut() else { return };
        let mut body = Body { room, end: Body::START };
        if verdict.status == Status::OverLimit {
            body.number(0x08, 1);
        }
        body.number(0x10, verdict.limit.cast_unsigned());
        body.number(0x18, verdict.remaining.cast_unsigned());
        body.number(0x20, verdict.reset_time.get().cast_unsigned());
        let end = start + body.close();
        if verdict.retry_after.is_none() && notes.is_empty() {
            self.bytes.truncate(end);
        } else {
            let numbers = self.bytes[start + Body::START..end].to_vec();
            self.bytes.truncate(start);
            self.noted(&numbers, verdict.retry_after, notes);
        }
    }

    fn noted(&mut self, numbers: &[u8], retry_after: Option<i64>, notes: &[Note<'_>]) {
        let retry = retry_after.map(Digits::new);
        let retry = retry.as_ref().map(|digits| ("retry_after_ms", digits.as_str()));
        let retry_len = retry.map_or(0, |(key, value)| entry_field_len(key, value));
        self.open(numbers.len() + retry_len + notes_len(notes));
        self.bytes.extend_from_slice(numbers);
        if let Some((key, value)) = retry {
            self.entry(key, value);
        }
        self.notes(notes);
    }

    /// One item that could not be decided.
    pub fn error(&mut self, text: &str, notes: &[Note<'_>]) {
        let len = text_len(text.len()) + notes_len(notes);
        self.open(len);
        self.text(0x2a, text);
        self.notes(notes);
    }

    /// One item that another node answered, with what we have to add. `answer` is a RateLimitResp;
    /// entries of a map may follow one another in any order, so ours simply come after its own.
    pub fn passed_on(&mut self, answer: &[u8], notes: &[Note<'_>]) {
        let len = answer.len() + notes_len(notes);
        self.open(len);
        self.bytes.extend_from_slice(answer);
        self.notes(notes);
    }

    /// Items already written as by these methods.
    pub fn append(&mut self, written: &[u8]) {
        self.bytes.extend_from_slice(written);
    }

    #[inline]
    fn notes(&mut self, notes: &[Note<'_>]) {
        for note in notes {
            let (key, value) = note.entry();
            self.entry(key, value);
        }
    }

    #[inline]
    fn open(&mut self, len: usize) {
        self.bytes.push(0x0a);
        self.varint(len as u64);
    }

    fn text(&mut self, tag: u8, text: &str) {
        self.bytes.push(tag);
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn entry(&mut self, key: &str, value: &str) {
        self.bytes.push(0x32);
        self.varint(entry_len(key, value) as u64);
        self.text(0x0a, key);
        self.text(0x12, value);
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        let (bytes, len) = varint(value);
        self.bytes.extend_from_slice(&bytes[..len]);
    }
}

/// The numbers of one answer: tag and length, then four fields of at most eleven bytes, and room for
/// the last to be written in whole words.
struct Body<'a> {
    room: &'a mut [u8; Body::ROOM],
    end: usize,
}

impl Body<'_> {
    const START: usize = 2;
    const ROOM: usize = 64;

    #[inline]
    fn number(&mut self, tag: u8, value: u64) {
        if value == 0 {
            return;
        }
        self.room[self.end] = tag;
        let to = &mut self.room[self.end + 1..];
        if value < SMALL {
            // A whole word, of which the next field overwrites what is not this one's.
            to[..8].copy_from_slice(&small_varint(value).to_le_bytes());
            self.end += 1 + varint_len(value);
        } else {
            let (bytes, len) = varint(value);
            to[..len].copy_from_slice(&bytes[..len]);
            self.end += 1 + len;
        }
    }

    /// Writes tag and length, which are one byte each: four fields are at most 44. Returns where the
    /// answer ends.
    #[inline]
    fn close(self) -> usize {
        self.room[0] = 0x0a;
        self.room[1] = u8::try_from(self.end - Self::START).unwrap_or(0);
        self.end
    }
}

/// What is below fits into eight bytes of seven bits.
const SMALL: u64 = 1 << 56;

/// A varint below [`SMALL`] as the bytes of a word, low byte first.
#[inline]
const fn small_varint(value: u64) -> u64 {
    // Seven bits into each of eight bytes, and the topmost bit of all bytes but the last.
    let bits = (value & 0x0000_0000_0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let bits = (bits & 0x0000_3fff_0000_3fff) | (bits & 0x0fff_c000_0fff_c000) << 2;
    let bits = (bits & 0x007f_007f_007f_007f) | (bits & 0x3f80_3f80_3f80_3f80) << 1;
    bits | (0x8080_8080_8080_8080 & ((1 << (8 * (varint_len(value) - 1))) - 1))
}

/// A varint and its length.
#[inline]
fn varint(value: u64) -> ([u8; 10], usize) {
    let len = varint_len(value);
    let mut bytes = [0; 10];
    for (nth, byte) in bytes.iter_mut().enumerate().take(len) {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
        let low = (value >> (7 * nth)) as u8 & 0x7f;
        *byte = if nth + 1 == len { low } else { low | 0x80 };
    }
    (bytes, len)
}

/// Appends to `request` what a node must add before it passes an item on: the instant at which it
/// was asked, and changed flags. A later value of a field replaces an earlier one.
pub(crate) fn forward_record(out: &mut Vec<u8>, item: &[u8], created_at: Option<i64>, behavior: Option<i32>) {
    let mut writer = Answers { bytes: std::mem::take(out) };
    let created_at = created_at.map(i64::cast_unsigned);
    // An enum is sign-extended to 64 bits on the wire.
    let behavior = behavior.map(|bits| i64::from(bits).cast_unsigned());
    let len = item.len()
        + created_at.map_or(0, |at| 1 + varint_len(at))
        + behavior.map_or(0, |bits| 1 + varint_len(bits));
    writer.open(len);
    writer.bytes.extend_from_slice(item);
    if let Some(bits) = behavior {
        writer.bytes.push(0x38);
        writer.varint(bits);
    }
    if let Some(at) = created_at {
        writer.bytes.push(0x50);
        writer.varint(at);
    }
    *out = writer.bytes;
}

impl From<Answers> for Bytes {
    fn from(answers: Answers) -> Self {
        Self::from(answers.bytes)
    }
}

/// A number in decimal, without an allocation.
struct Digits {
    text: [u8; 20],
    from: usize,
}

impl Digits {
    fn new(number: i64) -> Self {
        let mut digits = Self { text: [b'0'; 20], from: 20 };
        let mut rest = number.unsigned_abs();
        loop {
            digits.from -= 1;
            digits.text[digits.from] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                return digits;
            }
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.from..]).unwrap_or("0")
    }
}

#[inline]
fn notes_len(notes: &[Note<'_>]) -> usize {
    notes.iter().map(|note| note.entry()).map(|(key, value)| entry_field_len(key, value)).sum()
}

#[inline]
const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and one byte for 0.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

const fn text_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

const fn entry_len(key: &str, value: &str) -> usize {
    text_len(key.len()) + text_len(value.len())
}

const fn entry_field_len(key: &str, value: &str) -> usize {
    text_len(entry_len(key, value))
}
