//! Vectors of numbers, and arithmetic on them.

use crate::simd::dispatch::{self, SimdTask};

/// `WIDTH` numbers in registers.
///
/// Loops over plain numbers would be less code, but LLVM turns them into gathers, scatters and
/// shuffles that are slower than no vectors at all.
pub(crate) trait Vector<const WIDTH: usize>: Copy {
    /// Whether a vector is one register, so that four of them and a letter fit in the registers.
    const IS_ONE_REGISTER: bool = false;

    fn load(numbers: &[f64; WIDTH]) -> Self;
    fn store(self, numbers: &mut [f64; WIDTH]);
    /// Returns a vector of equal numbers.
    fn splat(number: f64) -> Self;
    /// Returns the vector whose number k is the number at [`place`] `from[k]`, below `WIDTH`, of
    /// this one.
    fn permuted(self, from: &[u64; WIDTH]) -> Self;
    /// Does as `permuted`, where no number leaves its half.
    #[inline(always)]
    fn permuted_within_halves(self, from: &[u64; WIDTH]) -> Self {
        self.permuted(from)
    }
    /// Does as `permuted`, where both halves of `from` are equal.
    #[inline(always)]
    fn permuted_to_both_halves(self, from: &[u64; WIDTH]) -> Self {
        self.permuted(from)
    }
    /// Exchanges numbers 0 and 1, 2 and 3, and so on.
    fn with_pairs_exchanged(self) -> Self;
    fn times(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

/// Code on vectors of eight numbers, which is compiled once for each kind of them.
pub(crate) trait VectorTask {
    /// Does the work. It must be `#[inline(always)]`, as all hot code in it, see [`SimdTask`].
    fn run<V: Vector<8>>(self);
}

/// Work on the vectors of an instruction set.
pub(crate) struct OnVectors<T>(pub(crate) T);

impl<T: VectorTask> SimdTask for OnVectors<T> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        #[cfg(target_arch = "x86_64")]
        match SET {
            dispatch::AVX512 => return self.0.run::<Avx512>(),
            dispatch::AVX2 => return self.0.run::<Avx2>(),
            _ => {}
        }
        self.0.run::<[f64; 8]>();
    }
}

/// Returns the index of one of eight numbers in a form that every instruction set can use. The
/// three lowest bits are the index. AVX2 permutes numbers within groups of four as halves of 32
/// bits: it reads the half, three bits higher, and the sign, which is set in the upper group.
pub(crate) fn place(k: usize) -> u64 {
    let half = 2 * (k as u64 % 4);
    k as u64 | half << 3 | (half + 1) << 35 | (k as u64 / 4) << 63
}

/// The portable vector: the compiler chooses the instructions.
impl<const WIDTH: usize> Vector<WIDTH> for [f64; WIDTH] {
    #[inline(always)]
    fn load(numbers: &[f64; WIDTH]) -> Self {
        *numbers
    }

    #[inline(always)]
    fn store(self, numbers: &mut [f64; WIDTH]) {
        *numbers = self;
    }

    #[inline(always)]
    fn splat(number: f64) -> Self {
        [number; WIDTH]
    }

    #[inline(always)]
    fn permuted(self, from: &[u64; WIDTH]) -> Self {
        let mut new = [0.0; WIDTH];
        for k in 0..WIDTH {
            new[k] = self[from[k] as usize % WIDTH];
        }
        new
    }

    #[inline(always)]
    fn with_pairs_exchanged(self) -> Self {
        let mut new = [0.0; WIDTH];
        for k in 0..WIDTH {
            new[k] = self[(k ^ 1) % WIDTH];
        }
        new
    }

    #[inline(always)]
    fn times(mut self, other: Self) -> Self {
        for k in 0..WIDTH {
            self[k] *= other[k];
        }
        self
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        for k in 0..WIDTH {
            self[k] += other[k];
        }
        self
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        for k in 0..WIDTH {
            self[k] -= other[k];
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use crate::simd::vector::Vector;
    use std::arch::x86_64::{
        __m256d, _mm256_add_pd, _mm256_blendv_pd, _mm256_castpd_ps, _mm256_castpd_si256, _mm256_castps_pd,
        _mm256_loadu_pd, _mm256_mul_pd, _mm256_permute_pd, _mm256_permutevar8x32_ps, _mm256_set1_pd,
        _mm256_srli_epi64, _mm256_storeu_pd, _mm256_sub_pd,
    };

    /// Two registers. Used only in code that `SET` of [`SimdTask`](crate::simd::dispatch::SimdTask)
    /// guards, so only where these instructions were detected.
    ///
    /// No closures: they would not be compiled for this instruction set.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256d, __m256d);

    #[expect(unsafe_code, reason = "of permutations the compiler makes loads of single numbers")]
    impl Vector<8> for Avx2 {
        #[inline(always)]
        fn load(numbers: &[f64; 8]) -> Self {
            let halves = numbers.as_chunks::<4>().0;
            // SAFETY: see the type; each pointer is to four numbers.
            unsafe { Avx2(_mm256_loadu_pd(halves[0].as_ptr()), _mm256_loadu_pd(halves[1].as_ptr())) }
        }

        #[inline(always)]
        fn store(self, numbers: &mut [f64; 8]) {
            let halves = numbers.as_chunks_mut::<4>().0;
            // SAFETY: see the type; each pointer is to four numbers.
            unsafe {
                _mm256_storeu_pd(halves[0].as_mut_ptr(), self.0);
                _mm256_storeu_pd(halves[1].as_mut_ptr(), self.1);
            }
        }

        #[inline(always)]
        fn splat(number: f64) -> Self {
            // SAFETY: see the type.
            let all = unsafe { _mm256_set1_pd(number) };
            Avx2(all, all)
        }

        #[inline(always)]
        fn permuted(self, from: &[u64; 8]) -> Self {
            let halves = from.as_chunks::<4>().0;
            // SAFETY: see the type.
            unsafe {
                let (first, second) = (load_places(&halves[0]), load_places(&halves[1]));
                // The sign of an index selects the half.
                Avx2(
                    _mm256_blendv_pd(moved(self.0, first), moved(self.1, first), first),
                    _mm256_blendv_pd(moved(self.0, second), moved(self.1, second), second),
                )
            }
        }

        #[inline(always)]
        fn permuted_within_halves(self, from: &[u64; 8]) -> Self {
            let halves = from.as_chunks::<4>().0;
            // SAFETY: see the type.
            unsafe {
                let (first, second) = (load_places(&halves[0]), load_places(&halves[1]));
                Avx2(moved(self.0, first), moved(self.1, second))
            }
        }

        #[inline(always)]
        fn permuted_to_both_halves(self, from: &[u64; 8]) -> Self {
            let halves = from.as_chunks::<4>().0;
            // SAFETY: see the type.
            unsafe {
                let places = load_places(&halves[0]);
                let half = _mm256_blendv_pd(moved(self.0, places), moved(self.1, places), places);
                Avx2(half, half)
            }
        }

        #[inline(always)]
        fn with_pairs_exchanged(self) -> Self {
            // SAFETY: see the type.
            unsafe { Avx2(_mm256_permute_pd::<0b0101>(self.0), _mm256_permute_pd::<0b0101>(self.1)) }
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            // SAFETY: see the type.
            unsafe { Avx2(_mm256_mul_pd(self.0, other.0), _mm256_mul_pd(self.1, other.1)) }
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see the type.
            unsafe { Avx2(_mm256_add_pd(self.0, other.0), _mm256_add_pd(self.1, other.1)) }
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see the type.
            unsafe { Avx2(_mm256_sub_pd(self.0, other.0), _mm256_sub_pd(self.1, other.1)) }
        }
    }

    /// # Safety
    /// All of these are called only where `Avx2` may be used.
    #[inline(always)]
    #[expect(unsafe_code, reason = "see the trait")]
    unsafe fn load_places(places: &[u64; 4]) -> __m256d {
        // SAFETY: the pointer is to four places.
        unsafe { _mm256_loadu_pd(places.as_ptr().cast()) }
    }

    /// Returns the numbers permuted within each group of four.
    #[inline(always)]
    #[expect(unsafe_code, reason = "see the trait")]
    unsafe fn moved(numbers: __m256d, places: __m256d) -> __m256d {
        // SAFETY: the caller's.
        unsafe {
            let within = _mm256_srli_epi64::<3>(_mm256_castpd_si256(places));
            _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(numbers), within))
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use crate::simd::vector::Vector;
    use std::arch::x86_64::{
        __m512d, _mm512_add_pd, _mm512_loadu_epi64, _mm512_loadu_pd, _mm512_mul_pd, _mm512_permute_pd,
        _mm512_permutexvar_pd, _mm512_set1_pd, _mm512_storeu_pd, _mm512_sub_pd,
    };

    /// One register. Used only in code that `SET` of [`SimdTask`](crate::simd::dispatch::SimdTask)
    /// guards, so only where these instructions were detected.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512d);

    #[expect(unsafe_code, reason = "a permutation by a vector of places is one instruction, if asked for")]
    impl Vector<8> for Avx512 {
        const IS_ONE_REGISTER: bool = true;

        #[inline(always)]
        fn load(numbers: &[f64; 8]) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_loadu_pd(numbers.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, numbers: &mut [f64; 8]) {
            // SAFETY: see the type; a pointer is to eight numbers.
            unsafe { _mm512_storeu_pd(numbers.as_mut_ptr(), self.0) };
        }

        #[inline(always)]
        fn splat(number: f64) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_set1_pd(number) })
        }

        #[inline(always)]
        fn permuted(self, from: &[u64; 8]) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_permutexvar_pd(_mm512_loadu_epi64(from.as_ptr().cast()), self.0) })
        }

        #[inline(always)]
        fn with_pairs_exchanged(self) -> Self {
            // SAFETY: see the type.
            Avx512(unsafe { _mm512_permute_pd::<0b0101_0101>(self.0) })
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_mul_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_add_pd(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see the type; a pointer is to eight numbers.
            Avx512(unsafe { _mm512_sub_pd(self.0, other.0) })
        }
    }
}
