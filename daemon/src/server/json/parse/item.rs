//! One element of `requests`.

use std::fmt;

use proto::gubernator::RateLimitReq;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::super::names;
use super::value::{Enum, Integer, Key, Map, Place, Text};

/// Reads the element at `index`.
pub(super) struct Item {
    pub(super) index: usize,
}

#[derive(Clone, Copy)]
enum Field {
    Name,
    UniqueKey,
    Hits,
    Limit,
    Duration,
    Algorithm,
    Behavior,
    Burst,
    Metadata,
    CreatedAt,
}

impl Field {
    fn parse(key: &str) -> Option<Self> {
        Some(match key {
            "name" => Self::Name,
            "unique_key" | "uniqueKey" => Self::UniqueKey,
            "hits" => Self::Hits,
            "limit" => Self::Limit,
            "duration" => Self::Duration,
            "algorithm" => Self::Algorithm,
            "behavior" => Self::Behavior,
            "burst" => Self::Burst,
            "metadata" => Self::Metadata,
            "created_at" | "createdAt" => Self::CreatedAt,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::UniqueKey => "unique_key",
            Self::Hits => "hits",
            Self::Limit => "limit",
            Self::Duration => "duration",
            Self::Algorithm => "algorithm",
            Self::Behavior => "behavior",
            Self::Burst => "burst",
            Self::Metadata => "metadata",
            Self::CreatedAt => "created_at",
        }
    }
}

impl<'de> DeserializeSeed<'de> for Item {
    type Value = RateLimitReq;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RateLimitReq, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item {
    type Value = RateLimitReq;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object for requests[{}]", self.index)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RateLimitReq, A::Error> {
        let mut item = RateLimitReq::default();
        let mut seen = 0_u16;
        while let Some(field) = map.next_key_seed(Key(Field::parse))? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let place = Place { index: self.index, field: field.name() };
            let bit = 1 << field as u16;
            if seen & bit != 0 {
                let hint = "give it once, in snake case or in camel case";
                return Err(A::Error::custom(format_args!("{place}: duplicate field; {hint}")));
            }
            seen |= bit;
            // A null is as good as a field left out.
            match field {
                Field::Name => item.name = map.next_value_seed(Text(place))?,
                Field::UniqueKey => item.unique_key = map.next_value_seed(Text(place))?,
                Field::Hits => item.hits = map.next_value_seed(Integer(place))?.unwrap_or(0),
                Field::Limit => item.limit = map.next_value_seed(Integer(place))?.unwrap_or(0),
                Field::Duration => item.duration = map.next_value_seed(Integer(place))?.unwrap_or(0),
                Field::Algorithm => item.algorithm = map.next_value_seed(Enum(place, &names::ALGORITHM))?,
                Field::Behavior => item.behavior = map.next_value_seed(Enum(place, &names::BEHAVIOR))?,
                Field::Burst => item.burst = map.next_value_seed(Integer(place))?.unwrap_or(0),
                Field::Metadata => item.metadata = map.next_value_seed(Map(place))?,
                Field::CreatedAt => item.created_at = map.next_value_seed(Integer(place))?,
            }
        }
        Ok(item)
    }
}
