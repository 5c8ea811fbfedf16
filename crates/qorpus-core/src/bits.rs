//! Streams of small numbers, packed from the least significant bit of the first byte on.

/// Returns the number of bits that encode `values` different values: ceil(log2(values)), 0 for a
/// single one.
pub(crate) fn width(values: usize) -> u32 {
    values.max(1).next_power_of_two().trailing_zeros()
}

/// A writer that appends packed numbers to a byte buffer.
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> BitWriter<'a> {
        BitWriter { out, pending: 0, filled: 0 }
    }

    /// Appends the low `width` (at most 16) bits of `value`, whose other bits are 0.
    #[inline]
    pub(crate) fn write(&mut self, value: u16, width: u32) {
        self.pending |= u64::from(value) << self.filled;
        self.filled += width;
        self.flush();
    }

    /// Appends the low `width` (at most 16) bits of each of `values`, whose other bits are 0.
    ///
    /// Four narrow values are combined in one word: neighbours first, then the two pairs.
    #[inline]
    pub(crate) fn write_all(&mut self, values: &[u16], width: u32) {
        let (fours, rest) = values.as_chunks::<4>();
        if width > 8 {
            values.iter().for_each(|&value| self.write(value, width));
            return;
        }
        let (pair, four) = (((1 << (2 * width)) - 1) * 0x1_0000_0001, (1u64 << (4 * width)) - 1);
        for &[a, b, c, d] in fours {
            let word = u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48;
            let pairs = (word | word >> (16 - width)) & pair;
            self.pending |= ((pairs | pairs >> (32 - 2 * width)) & four) << self.filled;
            self.filled += 4 * width;
            self.flush();
        }
        rest.iter().for_each(|&value| self.write(value, width));
    }

    /// Moves 32 bits to the buffer if there are that many.
    #[inline]
    fn flush(&mut self) {
        if self.filled >= 32 {
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.filled -= 32;
        }
    }

    /// Pads the last byte with zero bits.
    pub(crate) fn finish(self) {
        let bytes = self.filled.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
    }
}

/// Returns the count of numbers of `width` bits that fit in 57 bits, which a word of 64 always
/// holds from any bit of a byte on.
#[inline]
fn in_word(width: u32) -> usize {
    const COUNTS: [u8; 17] = [57, 57, 28, 19, 14, 11, 9, 8, 7, 6, 5, 5, 4, 4, 4, 3, 3];
    COUNTS[width as usize].into()
}

/// Masks: for each width the bits of the numbers with even indices in a word.
const EVEN: [u64; 64] = {
    let (mut masks, mut place) = ([0; 64], 0);
    while place < 64 * 64 {
        let (width, bit) = (place / 64, place % 64);
        if width > 0 && bit / width % 2 == 0 {
            masks[width] |= 1 << bit;
        }
        place += 1;
    }
    masks
};

/// One in each 16 bits of a word.
const EVERY: u64 = 0x1_0001_0001_0001;

fn mask(width: u32) -> u64 {
    (1 << width) - 1
}

/// A reader of packed numbers, starting at any bit.
#[derive(Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> BitReader<'a> {
        BitReader { bytes, at }
    }

    /// Returns the sum of the next `count` numbers of `width` (at most 16) bits, or `None` if there
    /// are fewer.
    #[inline]
    pub(crate) fn sum(&mut self, width: u32, mut count: usize) -> Option<usize> {
        if !self.has(width, count) {
            return None;
        }
        let in_word = in_word(width);
        let mut sum = 0;
        while count > 0 {
            let now = count.min(in_word);
            let bits = now as u32 * width;
            // Neighbours are added, then neighbouring sums, throughout the word at once.
            let (mut word, mut lane) = (self.word() & mask(bits), width.max(1));
            while lane < bits {
                let even = EVEN[lane as usize];
                word = (word & even) + (word >> lane & even);
                lane *= 2;
            }
            sum += word;
            self.at += bits as usize;
            count -= now;
        }
        Some(sum as usize)
    }

    /// Fills `out` with the next numbers of `width` (at most 16) bits. False if there are fewer, or
    /// not all are below `below`, which is at most 2^`width`.
    ///
    /// Four narrow numbers are separated in one word: the two pairs first, then neighbours.
    #[inline]
    pub(crate) fn read_all(&mut self, width: u32, below: usize, out: &mut [u16]) -> bool {
        if !self.has(width, out.len()) {
            return false;
        }
        let (fours, rest) = match width {
            0..=8 => out.as_chunks_mut::<4>(),
            _ => (&mut [][..], out),
        };
        let mut beyond = 0;
        if !fours.is_empty() {
            let (all, pair) = (mask(4 * width), mask(2 * width) * 0x1_0000_0001);
            let one = mask(width) * EVERY;
            // The bias that is added to a number sets the highest of its 16 bits if it is not
            // below.
            let bias = (0x8000 - below as u64) * EVERY;
            for four in fours {
                let word = self.word() & all;
                let pairs = (word | word << (32 - 2 * width)) & pair;
                let ones = (pairs | pairs << (16 - width)) & one;
                *four = [ones as u16, (ones >> 16) as u16, (ones >> 32) as u16, (ones >> 48) as u16];
                beyond |= ones + bias;
                self.at += 4 * width as usize;
            }
        }
        let mut known = beyond & (0x8000 * EVERY) == 0;
        for number in rest {
            *number = (self.word() & mask(width)) as u16;
            known &= usize::from(*number) < below;
            self.at += width as usize;
        }
        known
    }

    /// Returns whether there are `count` more numbers.
    fn has(&self, width: u32, count: usize) -> bool {
        let end = count.checked_mul(width as usize).and_then(|bits| bits.checked_add(self.at));
        end.is_some_and(|end| end <= self.bytes.len() * 8)
    }

    /// Returns the next bits, at least 57 of them, with zeros behind the end.
    #[inline]
    fn word(&self) -> u64 {
        let rest = &self.bytes[self.at / 8..];
        let word = match rest.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => self.last_word(rest.len()),
        };
        word >> (self.at % 8)
    }

    /// Returns the last `bytes` bytes, fewer than eight.
    fn last_word(&self, bytes: usize) -> u64 {
        match self.bytes.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last).checked_shr(64 - 8 * bytes as u32).unwrap_or(0),
            None => {
                let last = self.bytes[self.bytes.len() - bytes..].iter().rev();
                last.fold(0, |word, &byte| word << 8 | u64::from(byte))
            }
        }
    }

    /// Returns the next `width` (at most 16) bits, or `None` at the end.
    #[inline]
    pub(crate) fn read(&mut self, width: u32) -> Option<u16> {
        let value = self.has(width, 1).then(|| self.word() & mask(width))?;
        self.at += width as usize;
        Some(value as u16)
    }

    /// Returns whether less than a byte is left, and all of it zero.
    pub(crate) fn ends_in_padding(&mut self) -> bool {
        let left = self.bytes.len() * 8 - self.at;
        left < 8 && self.read(left as u32) == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths() {
        let widths = [0, 1, 2, 3, 4, 5, 8, 9, 65_535].map(width);
        assert_eq!(widths, [0, 0, 1, 2, 2, 3, 3, 4, 16]);
        assert!((1..=16).all(|width| in_word(width) == 57 / width as usize));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec((any::<u16>(), 0u32..=16), 0..200)) {
            let values: Vec<_> = values.iter().map(|&(v, w)| ((u32::from(v) & ((1 << w) - 1)) as u16, w)).collect();
            let mut bytes = vec![7];
            let mut writer = BitWriter::new(&mut bytes);
            values.iter().for_each(|&(value, width)| writer.write(value, width));
            writer.finish();
            let mut reader = BitReader::new(&bytes, 8);
            for (value, width) in values {
                prop_assert_eq!(reader.read(width), Some(value));
            }
            prop_assert!(reader.ends_in_padding());
            prop_assert_eq!(reader.read(8), None);
        }

        #[test]
        fn many_are_written_as_one_by_one(
            before in 0u32..32, width in 0u32..=16, values in prop::collection::vec(any::<u16>(), 0..50),
        ) {
            let values: Vec<_> = values.iter().map(|&value| (u32::from(value) & ((1 << width) - 1)) as u16).collect();
            let (mut many, mut single) = (Vec::new(), Vec::new());
            let [mut writer, mut one_by_one] = [&mut many, &mut single].map(BitWriter::new);
            for writer in [&mut writer, &mut one_by_one] {
                (0..before).for_each(|_| writer.write(1, 1));
            }
            writer.write_all(&values, width);
            values.iter().for_each(|&value| one_by_one.write(value, width));
            writer.finish();
            one_by_one.finish();
            prop_assert_eq!(many, single);
        }

        #[test]
        fn many_are_read_as_one_by_one(
            bytes: Vec<u8>, at in 0usize..40, width in 0u32..=16, count in 0usize..99, below in 0usize..1 << 16,
        ) {
            let start = BitReader::new(&bytes, at);
            let [mut many, mut one, mut sums] = [(); 3].map(|()| start.clone());
            let below = (1 + below % (1 << width)).max(1);
            let expected: Vec<u16> = (0..count).map_while(|_| one.read(width)).collect();
            let known = expected.iter().all(|&number| usize::from(number) < below);
            // Behind the end there is nothing, not even no numbers.
            let there = expected.len() == count && at <= 8 * bytes.len();
            let mut found = vec![0; count];
            prop_assert_eq!(many.read_all(width, below, &mut found), there && known);
            prop_assert_eq!(many.at, if there { one.at } else { at });
            prop_assert!(!there || found == expected);
            let sum = expected.iter().map(|&number| usize::from(number)).sum();
            prop_assert_eq!(sums.sum(width, count), there.then_some(sum));
            prop_assert_eq!(sums.at, if there { one.at } else { at });
        }
    }
}
