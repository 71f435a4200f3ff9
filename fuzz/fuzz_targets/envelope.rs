#![no_main]
//! See `chat_fuzz::envelope`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| chat_fuzz::envelope::run(data));
