#![no_main]
//! See `chat_fuzz::json`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::json::run(data));
