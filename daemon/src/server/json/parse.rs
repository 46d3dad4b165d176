//! JSON to the wire, in one pass: each item is encoded as soon as it has been read, so that a body of
//! many small items never grows into a list of large structs.

mod item;
mod value;

use std::fmt;

use bytes::{Bytes, BytesMut};
use prost::Message;
use proto::gubernator::GetRateLimitsReq;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use self::item::Item;

/// Why a body is no GetRateLimitsReq. Names the field and its value where there is one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// The JSON is broken, or a value does not fit its field.
    #[error("cannot parse the request body: {message} (line {line}, column {column})")]
    Invalid {
        /// What is wrong and what would be right.
        message: String,
        /// Where reading stopped; the first line is 1.
        line: usize,
        /// Bytes into that line.
        column: usize,
    },
    /// The body is not UTF-8 up to the end of its first JSON value.
    #[error("cannot parse the request body: invalid UTF-8 at byte {at}; send JSON in UTF-8")]
    NotUtf8 {
        /// Bytes before the first that is wrong.
        at: usize,
    },
}

impl ParseError {
    /// A message repeats a value at most this long: a caller gets no megabyte echoed.
    const LONGEST_MESSAGE: usize = 400;

    fn invalid(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let mut message = error.to_string();
        if let Some(bare) = message.strip_suffix(&format!(" at line {line} column {column}")) {
            message.truncate(bare.len());
        }
        if message.len() > Self::LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(Self::LONGEST_MESSAGE));
            message.push('…');
        }
        Self::Invalid { message, line, column }
    }
}

/// Parses a body and returns it as an encoded GetRateLimitsReq. A blank body is an empty request;
/// what follows the first JSON value is ignored, as are fields that the message does not have.
///
/// # Errors
/// Broken JSON, a field twice, a value that does not fit its field. Limits on the number of items or
/// on what they say are not judged here.
pub fn parse_request(body: &[u8]) -> Result<Bytes, ParseError> {
    // Checked once for all strings. Bytes that are no UTF-8 matter only if reading comes so far.
    let Some(chunk) = body.utf8_chunks().next() else {
        return Ok(Bytes::new());
    };
    let (text, broken) = (chunk.valid(), !chunk.invalid().is_empty());
    let not_utf8 = ParseError::NotUtf8 { at: text.len() };
    if text.trim_ascii().is_empty() {
        return if broken { Err(not_utf8) } else { Ok(Bytes::new()) };
    }

    let mut wire = BytesMut::with_capacity(text.len());
    match (Request { wire: &mut wire }).deserialize(&mut serde_json::Deserializer::from_str(text)) {
        Ok(()) => Ok(wire.freeze()),
        Err(error) if broken && error.is_eof() => Err(not_utf8),
        Err(error) => Err(ParseError::invalid(&error)),
    }
}

/// The body as a whole.
struct Request<'a> {
    wire: &'a mut BytesMut,
}

impl<'de> DeserializeSeed<'de> for Request<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the list `requests`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(is_requests) = map.next_key_seed(value::Key(|key: &str| key == "requests"))? {
            if !is_requests {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if seen {
                return Err(A::Error::custom("requests: duplicate field; give it once"));
            }
            seen = true;
            map.next_value_seed(Items { wire: self.wire })?;
        }
        Ok(())
    }
}

/// The list of items, or null for none.
struct Items<'a> {
    wire: &'a mut BytesMut,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list for requests")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        // Encoded messages put one after the other are one message with all their items.
        let mut single = GetRateLimitsReq::default();
        for index in 0.. {
            let Some(item) = list.next_element_seed(Item { index })? else { break };
            single.requests.clear();
            single.requests.push(item);
            single.encode(self.wire).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
