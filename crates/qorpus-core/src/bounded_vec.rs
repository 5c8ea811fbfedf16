//! Lists in untrusted JSON.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// A list of at most N items. A longer one is refused at item N + 1, before more memory is
/// allocated.
#[derive(Serialize, Default)]
#[serde(transparent)]
pub struct BoundedVec<T, const N: usize>(
    /// The items.
    pub Vec<T>,
);

impl<T, const N: usize> BoundedVec<T, N> {
    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for BoundedVec<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut found: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = found.next_element()? {
                    if items.len() == N {
                        return Err(de::Error::custom(format_args!("a list has more than {N} items")));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Items::<T, N>(PhantomData)).map(BoundedVec)
    }
}
