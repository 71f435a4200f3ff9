#![no_main]
//! See `chat_fuzz::payload`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::payload::run(data));
