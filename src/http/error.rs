//! What can go wrong with a request, and how it is answered (`http-and-redis.md` sections 1, 2, 5
//! and 14).

use std::{fmt, io};

use hyper::{StatusCode, header::RETRY_AFTER};

use super::respond::Answer;
use crate::{limits::Over, passwords::Busy, store::StoreError, tally::Tally};

/// Seconds until it is worth another try after a 503.
const SOON: &str = "1";

/// Why a request is refused. Statuses with a message are JSON, since that is what the client shows.
#[derive(Debug)]
pub enum Error {
    /// 400 in JSON: something is missing or can't be read.
    Invalid(&'static str),
    /// 400 in plain text.
    BadRequest,
    /// 400 in JSON: a new name is longer than so many bytes.
    LongName(usize),
    /// 403 in plain text: not signed in.
    Forbidden,
    /// 403 in JSON: signed in, but not allowed.
    NotAllowed(&'static str),
    /// 404 in plain text.
    NotFound,
    /// 404 in JSON: wrong name or password.
    Credentials,
    /// 408: the body did not come in time.
    Slow,
    /// 413: the body is too long.
    TooLarge,
    /// 503: what clients have not sent to its end, or not read, takes too much memory.
    Full,
    /// 415: the body is in a coding or character set that is not read.
    Unsupported,
    /// 429: more than one client may use.
    Over(Over),
    /// 503: too many logins at once.
    Busy,
    /// 503 or 500: the store can't be reached, or refused.
    Store(StoreError),
    /// 500: a file can't be read.
    File(io::Error),
}

impl Error {
    /// The answer. Says nothing of the inside.
    pub fn answer(&self) -> Answer {
        let (status, message) = match self {
            Error::Invalid(message) => (StatusCode::BAD_REQUEST, *message),
            Error::LongName(most) => {
                let message = format!("The name is too long: {most} bytes are the most");
                return Answer::message(StatusCode::BAD_REQUEST, &message);
            }
            Error::BadRequest => return Answer::status(StatusCode::BAD_REQUEST),
            Error::Forbidden => return Answer::status(StatusCode::FORBIDDEN),
            Error::NotAllowed(message) => (StatusCode::FORBIDDEN, *message),
            Error::NotFound => return Answer::status(StatusCode::NOT_FOUND),
            Error::Credentials => (StatusCode::NOT_FOUND, "Invalid username or password"),
            Error::Slow => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            Error::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Error::Unsupported => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported charset or content encoding")
            }
            Error::Over(over) => {
                let answer = Answer::message(StatusCode::TOO_MANY_REQUESTS, &over.message());
                return answer.header(RETRY_AFTER, over.seconds().to_string());
            }
            Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many logins, try again later"),
            Error::Full | Error::Store(StoreError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable, try again later")
            }
            Error::Store(StoreError::Refused(_)) | Error::File(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
            }
        };
        let answer = Answer::message(status, message);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => answer.header(RETRY_AFTER, SOON),
            _ => answer,
        }
    }

    /// Logs the inside, if there is one to look after. While Redis is away no request can be served, so these are counted.
    pub fn log(&self, method: &hyper::Method, path: &str, unserved: &Tally) {
        match self {
            Error::Store(StoreError::Unavailable(_)) | Error::Busy => {
                if let Some(so_far) = unserved.note() {
                    tracing::warn!(%method, path, error = %self, so_far, "a request could not be served");
                }
            }
            Error::Store(StoreError::Refused(_)) | Error::File(_) => {
                tracing::error!(%method, path, error = %self, "a request failed");
            }
            _ => tracing::debug!(%method, path, error = %self, "a request was refused"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Store(why) => why.fmt(f),
            Error::File(why) => write!(f, "a file can't be read: {why}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(why: StoreError) -> Error {
        Error::Store(why)
    }
}

impl From<Over> for Error {
    fn from(over: Over) -> Error {
        Error::Over(over)
    }
}

impl From<Busy> for Error {
    fn from(_: Busy) -> Error {
        Error::Busy
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
pub struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is ended without an answer")
    }
}

impl std::error::Error for Abort {}
