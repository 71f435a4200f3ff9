#![no_main]
//! See `chat_fuzz::frames`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::frames::run(data));
