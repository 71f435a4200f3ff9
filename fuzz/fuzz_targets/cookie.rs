#![no_main]
//! See `chat_fuzz::cookie`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::cookie::run(data));
