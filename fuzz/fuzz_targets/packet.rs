#![no_main]
//! See `chat_fuzz::packet`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::packet::run(data));
