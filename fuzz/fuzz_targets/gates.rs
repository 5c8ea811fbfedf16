#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qorpus_fuzz::gates(data));
