//! Free angles in chunks: drawn again from the ids of generated circuits, or stored beside the
//! letters of appended ones.

use crate::circuit::Circuits;
use crate::codec::chunk::{Damage, Decoded};
use crate::recipe::Recipe;
use crate::space::angles::AngleSampler;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a stored angle, a binary64 number in little-endian order.
pub(crate) const ANGLE_BYTES: usize = 8;

/// The free angles of a recipe's circuits.
#[derive(Debug, Clone)]
pub(crate) enum FreeAngles {
    /// No letter has any.
    None,
    /// They depend on the ids.
    Drawn(AngleSampler),
    /// They are stored; for each letter, how many.
    Stored(Arc<[u8]>),
}

impl FreeAngles {
    pub(crate) fn of(recipe: &Recipe) -> FreeAngles {
        let alphabet = recipe.alphabet();
        let counts = || (0..alphabet.letters().len() as u16).map(|letter| alphabet.free_angles(letter) as u8);
        match recipe.space().angles() {
            Some(sampler) => FreeAngles::Drawn(sampler.clone()),
            None if alphabet.has_free_angles() => FreeAngles::Stored(counts().collect()),
            None => FreeAngles::None,
        }
    }

    /// Returns whether they are stored.
    pub(crate) fn are_stored(&self) -> bool {
        matches!(self, FreeAngles::Stored(_))
    }

    /// Appends the stored angles of a circuit.
    ///
    /// # Panics
    /// If it has not as many angles as its letters need.
    pub(crate) fn encode(&self, letters: &[u16], angles: &[f64], out: &mut Vec<u8>) {
        if let FreeAngles::Stored(counts) = self {
            assert_eq!(count(counts, letters), angles.len(), "the angles of all letters");
            angles.iter().for_each(|angle| out.extend_from_slice(&angle.to_le_bytes()));
        }
    }

    /// Gives the last circuits, which have these ids, their angles, unless they are stored.
    pub(crate) fn draw(&self, ids: Range<u64>, circuits: &mut Circuits) {
        if let FreeAngles::Drawn(sampler) = self {
            sampler.extend(ids, circuits);
        }
    }

    /// Gives the circuits from `first` on their stored angles. `before` are the letters whose angles
    /// come before theirs in `bytes`. Returns the bytes that are left.
    pub(crate) fn decode<'a>(
        &self,
        bytes: &'a [u8],
        before: &[u16],
        first: usize,
        circuits: &mut Circuits,
    ) -> Decoded<&'a [u8]> {
        let FreeAngles::Stored(counts) = self else { return Ok(bytes) };
        let mut rest = bytes.get(count(counts, before) * ANGLE_BYTES..).ok_or(Damage::Circuit)?;
        for index in first..circuits.len() {
            let own = rest.split_at_checked(count(counts, circuits.get(index)) * ANGLE_BYTES);
            let (own, others) = own.ok_or(Damage::Circuit)?;
            rest = others;
            let angles = own.as_chunks::<ANGLE_BYTES>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
            if !angles.clone().all(f64::is_finite) {
                return Err(Damage::Circuit);
            }
            circuits.append_angles(index, angles);
        }
        Ok(rest)
    }
}

fn count(counts: &[u8], letters: &[u16]) -> usize {
    letters.iter().map(|&letter| usize::from(counts[usize::from(letter)])).sum()
}
