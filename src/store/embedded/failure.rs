//! What goes wrong with the file, in words for people.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What the file could not do.
pub(super) fn words(error: &Error) -> String {
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::ReadOnly) => "it or its folder can't be written",
        Some(ErrorCode::PermissionDenied) => "there is no permission",
        Some(ErrorCode::SystemIoFailure) => "the disk can't be read or written",
        Some(ErrorCode::CannotOpen) => "it can't be opened",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged",
        Some(ErrorCode::NotADatabase) => "it is not a data file",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "something else holds it",
        _ => return error.to_string(),
    };
    match error.sqlite_error() {
        Some(code) => format!("{what} (SQLite: {error}, code {})", code.extended_code),
        None => what.to_owned(),
    }
}

/// The file failed a verb. There is no link that could come back, so it is a refusal; the disk may
/// have space again for the next one.
pub(super) fn refusal(error: &Error) -> StoreError {
    StoreError::Refused(words(error))
}

/// The store was closed, or a thread of it died.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the data file is closed".into())
}
