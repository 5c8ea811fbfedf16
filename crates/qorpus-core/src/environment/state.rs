//! Saved states: all that changes in a batch of environments, as bytes in little-endian order.

use crate::environment::Environments;
use crate::environment::last_letters::LastLetters;
use crate::environment::residuals::Residuals;
use crate::error::{Error, Result};
use crate::tableau::Tableau;

impl Environments {
    /// Appends the state of the environments to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        for number in [self.task.fingerprint, self.first, self.seed] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        self.episodes.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        for index in 0..self.len() {
            let flags = u8::from(self.is_running[index]) | u8::from(self.solved[index]) << 1;
            out.push(flags);
            out.extend_from_slice(&self.steps[index].to_le_bytes());
            self.circuit(index).iter().for_each(|letter| out.extend_from_slice(&letter.to_le_bytes()));
        }
        match &self.residuals {
            Residuals::Unitaries(buffer) => {
                let numbers = &buffer.numbers()[..2 * self.entries()];
                numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            }
            Residuals::Tableaus(tableaus) => {
                let columns = tableaus.iter().flat_map(Tableau::columns);
                columns.for_each(|column| out.extend_from_slice(&column.to_le_bytes()));
            }
        }
    }

    /// Restores the state at the beginning of `bytes`, which as many environments with the same
    /// numbers, letters, gates, equality and `max_steps` [saved](Environments::save), and returns the
    /// rest.
    ///
    /// # Errors
    /// Bytes that are not such a state; then the environments may have any state.
    pub fn restore<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let mut bytes = Bytes(bytes);
        for known in [self.task.fingerprint, self.first] {
            if u64::from_le_bytes(bytes.take()?) != known {
                return Err(damaged());
            }
        }
        self.seed = u64::from_le_bytes(bytes.take()?);
        for number in &mut self.episodes {
            *number = u32::from_le_bytes(bytes.take()?);
        }
        for index in 0..self.len() {
            self.restore_episode(index, &mut bytes)?;
        }
        match &mut self.residuals {
            Residuals::Unitaries(buffer) => {
                for number in buffer.room(2 * self.steps.len() * self.task.alphabet.dim().pow(2)) {
                    *number = f64::from_le_bytes(bytes.take()?);
                    // Rounding leaves the entries of a unitary near the unit disk.
                    if !number.is_finite() || number.abs() > 2.0 {
                        return Err(damaged());
                    }
                }
            }
            Residuals::Tableaus(tableaus) => {
                for column in tableaus.iter_mut().flat_map(Tableau::columns_mut) {
                    *column = u16::from_le_bytes(bytes.take()?);
                }
            }
        }
        Ok(bytes.0)
    }

    fn restore_episode(&mut self, index: usize, bytes: &mut Bytes<'_>) -> Result<()> {
        let [flags] = bytes.take()?;
        (self.is_running[index], self.solved[index]) = (flags & 1 == 1, flags & 2 == 2);
        let steps = u32::from_le_bytes(bytes.take()?);
        let (max_steps, letters) = (self.task.max_steps, self.task.alphabet.letters().len());
        if flags > 3 || steps as usize > max_steps || (self.is_running[index] && steps as usize == max_steps)
        {
            return Err(damaged());
        }
        self.steps[index] = steps;
        for place in 0..steps as usize {
            let letter = u16::from_le_bytes(bytes.take()?);
            if usize::from(letter) >= letters {
                return Err(damaged());
            }
            self.letters[index * max_steps + place] = letter;
        }
        self.last_letters[index] = LastLetters::of(&self.task.undone, self.circuit(index));
        Ok(())
    }
}

/// Bytes that are left to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (own, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*own)
    }
}

fn damaged() -> Error {
    let reason = "it is not a state of as many environments with the same options".into();
    Error::Unusable { item: "state".into(), reason }
}
