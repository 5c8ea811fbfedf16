//! Batches of binary matrices: a letter acts on all of them at once.

use crate::arithmetic::BATCH_LANES;
use crate::binary::letters::ColumnSums;
use crate::binary::matrix::{BinaryMatrix, MAX_COLUMNS, Shape, key_of_bits, key_of_columns};
use crate::simd::dispatch::{InstructionSet, SimdTask};

/// A column of each matrix.
type Lanes = [u32; BATCH_LANES];

/// A batch of binary matrices, and the bits of their products with a letter.
#[derive(Debug, Clone)]
pub struct BinaryProducts {
    shape: Shape,
    columns: Vec<Lanes>,
    /// The packed bits of each matrix, the low and the high half, unless they are outdated.
    bits: [[u64; BATCH_LANES]; 2],
    is_outdated: bool,
    /// The packed bits of each product, or its columns if they do not fit.
    product: Product,
}

#[derive(Debug, Clone)]
enum Product {
    Bits(Box<[[u64; BATCH_LANES]; 2]>),
    Columns(Vec<Lanes>),
}

impl BinaryProducts {
    /// Returns a batch of [`BATCH_LANES`] identities.
    pub(crate) fn new(shape: Shape) -> BinaryProducts {
        let columns = vec![[0; BATCH_LANES]; shape.columns()];
        let product = match shape.fits_in_key() {
            true => Product::Bits(Box::new([[0; BATCH_LANES]; 2])),
            false => Product::Columns(columns.clone()),
        };
        let mut batch =
            BinaryProducts { shape, columns, bits: [[0; BATCH_LANES]; 2], is_outdated: true, product };
        (0..BATCH_LANES).for_each(|lane| batch.set(lane, &shape.identity()));
        batch
    }

    /// Puts a matrix in place `lane`.
    ///
    /// # Panics
    /// If the place is not below [`BATCH_LANES`].
    pub(crate) fn set(&mut self, lane: usize, matrix: &BinaryMatrix) {
        for (lanes, &column) in self.columns.iter_mut().zip(&matrix.columns) {
            lanes[lane] = column;
        }
        self.is_outdated = true;
    }

    /// Calls `emit` with each lane whose bit is set in `lanes` and with the key of the product of
    /// the letter and the matrix in that lane.
    pub(crate) fn products(&mut self, letter: &ColumnSums, lanes: u32, mut emit: impl FnMut(usize, u128)) {
        const { assert!(BATCH_LANES == u32::BITS as usize) }
        if std::mem::take(&mut self.is_outdated) && self.shape.fits_in_key() {
            InstructionSet::best().run(Pack(self));
        }
        InstructionSet::best().run(Act { letter, batch: self });
        let mut left = lanes;
        while left > 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            let key = match &self.product {
                Product::Bits(bits) => {
                    key_of_bits(u128::from(bits[1][lane]) << 64 | u128::from(bits[0][lane]))
                }
                Product::Columns(columns) => {
                    let mut of_lane = [0; MAX_COLUMNS];
                    of_lane.iter_mut().zip(columns).for_each(|(column, lanes)| *column = lanes[lane]);
                    key_of_columns(&of_lane[..columns.len()])
                }
            };
            emit(lane, key);
        }
    }
}

/// The action of a letter on a batch.
struct Act<'a> {
    letter: &'a ColumnSums,
    batch: &'a mut BinaryProducts,
}

impl SimdTask for Act<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Act { letter, batch: BinaryProducts { shape, columns, bits, product, .. } } = self;
        let width = shape.column_bits();
        match product {
            Product::Bits(next) => **next = *bits,
            Product::Columns(next) => next.copy_from_slice(columns),
        }
        for (place, summands) in letter.sums() {
            let mut sum = [0u32; BATCH_LANES];
            for summand in summands {
                let column = &columns[summand];
                (0..BATCH_LANES).for_each(|lane| sum[lane] ^= column[lane]);
            }
            match product {
                Product::Columns(next) => next[place] = sum,
                Product::Bits(bits) => {
                    (0..BATCH_LANES).for_each(|lane| sum[lane] ^= columns[place][lane]);
                    change(bits, width * place, &sum);
                }
            }
        }
    }
}

/// The packing of the columns of a batch.
struct Pack<'a>(&'a mut BinaryProducts);

impl SimdTask for Pack<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let BinaryProducts { shape, columns, bits, .. } = self.0;
        *bits = [[0; BATCH_LANES]; 2];
        for (place, column) in columns.iter().enumerate() {
            change(bits, shape.column_bits() * place, column);
        }
    }
}

/// Adds columns to packed bits from bit `shift` on.
#[inline(always)]
fn change([low, high]: &mut [[u64; BATCH_LANES]; 2], shift: usize, columns: &Lanes) {
    // A column may begin in the low half and end in the high one.
    for lane in 0..BATCH_LANES {
        let column = u64::from(columns[lane]);
        if shift < 64 {
            low[lane] ^= column << shift;
        }
        if shift >= 64 {
            high[lane] ^= column << (shift - 64);
        } else if shift > 32 {
            high[lane] ^= column >> (64 - shift);
        }
    }
}
