//! The ids of tasks and owners.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind};

/// Crockford's base32: no I, L, O or U (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LEN: usize = 13;

fn write_base32(number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [b'0'; TEXT_LEN];
    for (position, letter) in text.iter_mut().rev().enumerate() {
        let digit = number.checked_shr(5 * position as u32).unwrap_or(0) & 31;
        *letter = ALPHABET[digit as usize];
    }
    f.pad(&String::from_utf8_lossy(&text))
}

fn read_base32(text: &str) -> Option<u64> {
    if text.len() != TEXT_LEN {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, letter| {
        let letter = match letter.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        let digit = ALPHABET.iter().position(|a| *a == letter)? as u64;
        number.checked_mul(32)?.checked_add(digit)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// Returns the id with this number, 1 to 2^63 − 1; `None` for any other number.
            pub const fn from_i64(number: i64) -> Option<Self> {
                if number > 0 { Some(Self(number)) } else { None }
            }

            /// Returns the number that storages write.
            pub const fn as_i64(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_base32(self.0.unsigned_abs(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                read_base32(text)
                    .and_then(|number| i64::try_from(number).ok())
                    .and_then(Self::from_i64)
                    .ok_or_else(|| {
                        let message = format!(
                            "{text:?} is not {}: it has 13 characters of Crockford base32, such as {}",
                            $what, "01K3Z8N4Q0001",
                        );
                        Error::new(ErrorKind::Serialization, message)
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// The permanent id of a task: a 63-bit number that the storage assigns. Later enqueues get larger ids.
    ///
    /// Its text, also in JSON, is 13 characters of Crockford base32, which sort like the numbers.
    TaskId, "a task id"
}

id! {
    /// The id of an owner: a process that claims tasks and holds their leases. It is a random number, and never
    /// a process id.
    OwnerId, "an owner id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_are_the_same_id_and_sort_alike() {
        let numbers = [1, 31, 32, 1 << 40, i64::MAX - 1, i64::MAX];
        let texts: Vec<String> = numbers
            .iter()
            .map(|n| TaskId::from_i64(*n).unwrap().to_string())
            .collect();
        assert!(texts.is_sorted());
        for (number, text) in numbers.iter().zip(&texts) {
            assert_eq!(text.len(), 13);
            assert_eq!(text.parse::<TaskId>().unwrap().as_i64(), *number);
            assert_eq!(
                text.to_lowercase().parse::<TaskId>().unwrap().as_i64(),
                *number
            );
        }
    }

    #[test]
    fn the_error_of_an_invalid_text_names_it() {
        for bad in [
            "",
            "0000000000000",
            "ZZZZZZZZZZZZZ",
            "U000000000001",
            "é00000000000",
            "12",
        ] {
            let error = bad.parse::<TaskId>().unwrap_err();
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
