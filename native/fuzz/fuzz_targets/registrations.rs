#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dialplane_fuzz::engine::registrations(data));
