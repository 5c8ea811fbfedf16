//! Runtime dispatch: code that benefits from vector instructions is compiled once for each
//! instruction set, and the best set of the machine is used.

/// A set of instructions. Values exist only for sets that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstructionSet(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// The baseline of the target.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Code that is compiled once for each instruction set.
pub(crate) trait SimdTask {
    /// Does the work. All hot code in it must be `#[inline(always)]`: only inlined code is compiled
    /// for the set. Intrinsics may be used only where `SET` is [`AVX2`] or [`AVX512`].
    fn run<const SET: u8>(self);
}

/// The baseline of the target.
pub(crate) const PORTABLE: u8 = 0;
/// AVX2.
pub(crate) const AVX2: u8 = 1;
/// AVX-512 with F, VL and DQ, and AVX2.
pub(crate) const AVX512: u8 = 2;

impl InstructionSet {
    /// Returns the best set that this machine has.
    pub(crate) fn best() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() {
                return InstructionSet(Set::Avx512);
            }
            if has_avx2() {
                return InstructionSet(Set::Avx2);
            }
        }
        InstructionSet(Set::Portable)
    }

    /// Returns all sets that this machine has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<InstructionSet> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "there are no others"))]
        let mut sets = vec![InstructionSet(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(has_avx2().then_some(InstructionSet(Set::Avx2)));
            sets.extend(has_avx512().then_some(InstructionSet(Set::Avx512)));
        }
        sets
    }

    /// Runs `work` with these instructions.
    #[expect(unsafe_code, reason = "code for instructions that not every machine has")]
    pub(crate) fn run(self, work: impl SimdTask) {
        match self.0 {
            Set::Portable => work.run::<PORTABLE>(),
            // SAFETY: an InstructionSet is made only where its instructions were detected.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2(work) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512(work) },
        }
    }
}

/// Returns whether the machine has AVX2, and the instruction that counts bits, as all such machines
/// do.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn avx2(work: impl SimdTask) {
    work.run::<AVX2>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,popcnt")]
fn avx512(work: impl SimdTask) {
    work.run::<AVX512>();
}
