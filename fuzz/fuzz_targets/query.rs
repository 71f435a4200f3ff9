#![no_main]
//! See `chat_fuzz::query`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::query::run(data));
