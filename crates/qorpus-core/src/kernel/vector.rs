//! Numbers that are computed with at once.

/// `WIDTH` numbers, in whatever registers there are.
///
/// Loops over plain numbers would be less code, but of them LLVM makes gathers, scatters and shuffles that are slower
/// than no vectors at all.
pub(super) trait Vector<const WIDTH: usize>: Copy {
    fn load(numbers: &[f64; WIDTH]) -> Self;
    fn store(self, numbers: &mut [f64; WIDTH]);
    /// The same number everywhere.
    fn splat(number: f64) -> Self;
    /// Number k becomes what number `from[k]`, below `WIDTH`, was.
    fn permuted(self, from: &[u64; WIDTH]) -> Self;
    fn times(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

/// What the compiler makes of it.
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
pub(super) use avx512::Avx512;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::Vector;
    use std::arch::x86_64::{
        __m512d, _mm512_add_pd, _mm512_loadu_epi64, _mm512_loadu_pd, _mm512_mul_pd, _mm512_permutexvar_pd,
        _mm512_set1_pd, _mm512_storeu_pd, _mm512_sub_pd,
    };

    /// One register. Used only in code that `AVX512` of [`Work`](crate::level::Work) guards, so only where these
    /// instructions were detected.
    #[derive(Clone, Copy)]
    pub(in crate::kernel) struct Avx512(__m512d);

    #[expect(unsafe_code, reason = "a permutation by a vector of places is one instruction, if asked for")]
    impl Vector<8> for Avx512 {
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
