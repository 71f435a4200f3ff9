#![no_main]
//! See `chat_fuzz::body`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::body::run(data));
