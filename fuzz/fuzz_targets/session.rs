#![no_main]
//! See `chat_fuzz::session`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::session::run(data));
