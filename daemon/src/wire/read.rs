//! From bytes to items.

use engine::{Behavior, Request};

/// Why bytes are no message. `Display` is what the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// A varint of more than ten bytes.
    #[error("a varint is longer than ten bytes")]
    Varint,
    /// A field number of 0, or a wire type that does not exist.
    #[error("a field has an invalid tag")]
    Tag,
    /// A known field with another field's wire type.
    #[error("field {0} has the wrong wire type")]
    WireType(&'static str),
    /// A string that is not UTF-8.
    #[error("field {0} contains invalid UTF-8")]
    Utf8(&'static str),
    /// Groups inside groups beyond reason.
    #[error("groups are nested too deeply")]
    Depth,
}

/// One RateLimitReq, borrowed from the message it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What is asked.
    pub request: Request<'a>,
    /// The caller's clock in ms since the epoch, where it gave one.
    pub created_at: Option<i64>,
    /// The item's own bytes, to pass on as they are.
    pub bytes: &'a [u8],
}

/// Reads a GetRateLimitsReq or GetPeerRateLimitsReq: both are items under field 1. Fields we do not
/// know are skipped. Stops with `Ok` after `limit` + 1 items, since what follows is refused anyway.
///
/// # Errors
/// The first thing that is not protobuf, or not these messages. Nothing has been decided by then.
pub fn items(message: &[u8], limit: usize) -> Result<Vec<Item<'_>>, WireError> {
    // An item of a real client is some 30 to 60 bytes; a wrong guess costs one more allocation.
    let mut items = Vec::with_capacity((message.len() / 40 + 1).min(limit + 1));
    for record in records(message) {
        if items.len() > limit {
            break;
        }
        items.push(item(record?)?);
    }
    Ok(items)
}

/// The length-delimited records under field 1 of a message, as bytes; other fields are skipped.
pub fn records(message: &[u8]) -> impl Iterator<Item = Result<&[u8], WireError>> {
    let mut reader = Reader { bytes: message };
    std::iter::from_fn(move || {
        while !reader.bytes.is_empty() {
            let record = reader.record();
            if record.is_err() {
                reader.bytes = &[];
            }
            if let Some(record) = record.transpose() {
                return Some(record);
            }
        }
        None
    })
}

/// Cuts a list of records into runs of `counts` records each; `None` where it has more, fewer, or is
/// no list.
pub(crate) fn split(
    message: &[u8],
    counts: impl IntoIterator<Item = usize>,
) -> Option<Vec<std::ops::Range<usize>>> {
    let mut reader = Reader { bytes: message };
    let mut runs = Vec::new();
    for count in counts {
        let start = message.len() - reader.bytes.len();
        let mut found = 0;
        while found < count && !reader.bytes.is_empty() {
            found += usize::from(reader.record().ok()?.is_some());
        }
        if found < count {
            return None;
        }
        runs.push(start..message.len() - reader.bytes.len());
    }
    while !reader.bytes.is_empty() {
        if reader.record().ok()?.is_some() {
            return None;
        }
    }
    Some(runs)
}

fn item(bytes: &[u8]) -> Result<Item<'_>, WireError> {
    let mut reader = Reader { bytes };
    let (mut name, mut unique_key) = ("", "");
    let (mut hits, mut limit, mut duration, mut burst) = (0, 0, 0, 0);
    let (mut algorithm, mut behavior, mut created_at) = (0, 0, None);
    while !reader.bytes.is_empty() {
        // Field number and wire type in one: the tags of `RateLimitReq` are all one byte.
        match reader.raw_tag()? {
            0x0a => name = utf8(reader.slice()?, "name")?,
            0x12 => unique_key = utf8(reader.slice()?, "unique_key")?,
            0x18 => hits = reader.int64()?,
            0x20 => limit = reader.int64()?,
            0x28 => duration = reader.int64()?,
            0x30 => algorithm = reader.int32()?,
            0x38 => behavior = reader.int32()?,
            0x40 => burst = reader.int64()?,
            0x4a => metadata_entry(reader.slice()?)?,
            0x50 => created_at = Some(reader.int64()?),
            tag => match FIELDS.get((tag >> 3).wrapping_sub(1) as usize) {
                Some(field) => return Err(WireError::WireType(field)),
                None => reader.skip(tag >> 3, tag & 7, 0)?,
            },
        }
    }
    Ok(Item {
        request: Request {
            name,
            unique_key,
            hits,
            limit,
            duration,
            algorithm,
            behavior: Behavior::from_bits(behavior),
            burst,
        },
        created_at,
        bytes,
    })
}

/// Metadata is not read, but what a strict decoder refuses is refused here too: a peer would.
fn metadata_entry(bytes: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader { bytes };
    while !reader.bytes.is_empty() {
        match reader.tag()? {
            (1 | 2, LEN) => utf8(reader.slice()?, "metadata").map(drop)?,
            (1 | 2, _) => return Err(WireError::WireType("metadata")),
            (field, wire) => reader.skip(field, wire, 0)?,
        }
    }
    Ok(())
}

const FIELDS: [&str; 10] = [
    "name",
    "unique_key",
    "hits",
    "limit",
    "duration",
    "algorithm",
    "behavior",
    "burst",
    "metadata",
    "created_at",
];

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const GROUP: u32 = 3;
const END_GROUP: u32 = 4;
const FIXED32: u32 = 5;
/// As deep as other decoders go.
const MAX_DEPTH: u32 = 100;

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next field: its record where it is one of field 1, nothing where it was skipped.
    fn record(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        match self.tag()? {
            (1, LEN) => self.slice().map(Some),
            (1, _) => Err(WireError::WireType("requests")),
            (field, wire) => self.skip(field, wire, 0).map(|()| None),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match *self.bytes {
            [first, ref rest @ ..] if first < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(first))
            }
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
            }
            _ => self.long_varint(),
        }
    }

    /// Up to eight bytes at once, which hold any time of ours.
    fn long_varint(&mut self) -> Result<u64, WireError> {
        if let Some(&word) = self.bytes.first_chunk::<8>() {
            let word = u64::from_le_bytes(word);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                // Of the bytes up to the first without its topmost bit, the lower seven bits each.
                let bits = word & (ends ^ (ends - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
                let bits = (bits & 0x007f_007f_007f_007f) | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
                let bits = (bits & 0x0000_3fff_0000_3fff) | (bits & 0x3fff_0000_3fff_0000) >> 2;
                let bits = (bits & 0x0000_0000_0fff_ffff) | (bits & 0x0fff_ffff_0000_0000) >> 4;
                self.bytes = &self.bytes[ends.trailing_zeros() as usize / 8 + 1..];
                return Ok(bits);
            }
        }
        self.longest_varint()
    }

    /// Byte by byte: what is longer, or too near to the end.
    fn longest_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (nth, &byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * nth);
            if byte < 0x80 {
                // The tenth byte holds the topmost bit alone.
                if nth == 9 && byte > 1 {
                    return Err(WireError::Varint);
                }
                self.bytes = &self.bytes[nth + 1..];
                return Ok(value);
            }
        }
        Err(if self.bytes.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

    /// Two's complement, as the wire has it.
    #[inline]
    fn int64(&mut self) -> Result<i64, WireError> {
        Ok(self.varint()?.cast_signed())
    }

    /// The low half of a varint, as every decoder takes an int32 or an enum.
    #[inline]
    fn int32(&mut self) -> Result<i32, WireError> {
        #[expect(clippy::cast_possible_truncation, reason = "the wire's rule for 32-bit fields")]
        self.varint().map(|value| value as i32)
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u32), WireError> {
        self.raw_tag().map(|tag| (tag >> 3, tag & 7))
    }

    #[inline]
    fn raw_tag(&mut self) -> Result<u32, WireError> {
        let tag = u32::try_from(self.varint()?).map_err(|_| WireError::Tag)?;
        if tag >> 3 == 0 { Err(WireError::Tag) } else { Ok(tag) }
    }

    #[inline]
    fn slice(&mut self) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        self.take(len)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[cold]
    fn skip(&mut self, field: u32, wire: u32, depth: u32) -> Result<(), WireError> {
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LEN => self.slice().map(drop),
            FIXED32 => self.take(4).map(drop),
            GROUP if depth >= MAX_DEPTH => Err(WireError::Depth),
            GROUP => loop {
                match self.tag()? {
                    (end, END_GROUP) if end == field => return Ok(()),
                    (_, END_GROUP) => return Err(WireError::Tag),
                    (inner, wire) => self.skip(inner, wire, depth + 1)?,
                }
            },
            _ => Err(WireError::Tag),
        }
    }
}

#[inline]
fn utf8<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Utf8(field))
}
