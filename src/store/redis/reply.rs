//! Reading replies: the first error in the order of the commands counts.

use std::vec;

use redis::Value;

use super::connect::server_text;
use crate::store::{Result, StoreError};

/// Refusals of every write while Redis can be read: it can't save, is a replica, or lacks memory or replicas.
const NO_WRITES: [&str; 4] = ["MISCONF", "READONLY", "OOM", "NOREPLICAS"];

/// What Redis says if it refused a command only because that counts as a write.
pub(crate) fn takes_no_writes(reply: &Value) -> Option<String> {
    match reply {
        Value::ServerError(why) if NO_WRITES.contains(&why.code()) => Some(server_text(why)),
        _ => None,
    }
}

/// The replies of one pipeline, taken one after the other.
pub(super) struct Replies(vec::IntoIter<Value>);

impl Replies {
    pub(super) fn new(replies: Vec<Value>) -> Self {
        Self(replies.into_iter())
    }

    /// The next reply, whatever it is. A missing one is nil: the link returns one per command.
    pub(super) fn any(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Nil)
    }

    /// The next reply, whatever it is but an error.
    pub(super) fn checked(&mut self) -> Result<Value> {
        checked(self.any())
    }

    /// A reply of which only an error is of interest.
    pub(super) fn done(&mut self) -> Result<()> {
        self.checked().map(|_| ())
    }

    /// A number.
    pub(super) fn int(&mut self) -> Result<i64> {
        match checked(self.any())? {
            Value::Int(n) => Ok(n),
            other => Err(strange(&other)),
        }
    }

    /// A yes or no, as EXISTS and SISMEMBER answer.
    pub(super) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    /// Bytes; `None` for nil.
    pub(super) fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        bytes(self.any())
    }

    /// Text; `None` for nil.
    pub(super) fn text(&mut self) -> Result<Option<String>> {
        Ok(self.bytes()?.map(text))
    }

    /// A list. Elements that are nil count as empty.
    pub(super) fn list(&mut self) -> Result<Vec<Vec<u8>>> {
        match checked(self.any())? {
            Value::Array(items) | Value::Set(items) => {
                items.into_iter().map(|item| Ok(bytes(item)?.unwrap_or_default())).collect()
            }
            other => Err(strange(&other)),
        }
    }

    /// A list of replies of several kinds.
    pub(super) fn several(&mut self) -> Result<Replies> {
        match checked(self.any())? {
            Value::Array(replies) => Ok(Replies::new(replies)),
            other => Err(strange(&other)),
        }
    }

    /// A list of yes or no, as SMISMEMBER answers.
    pub(super) fn flags(&mut self) -> Result<Vec<bool>> {
        match checked(self.any())? {
            Value::Array(items) => Ok(items.iter().map(|item| *item == Value::Int(1)).collect()),
            other => Err(strange(&other)),
        }
    }
}

/// Bytes as text, the way Node reads them: what is no UTF-8 becomes U+FFFD.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
}

fn bytes(reply: Value) -> Result<Option<Vec<u8>>> {
    match checked(reply)? {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        Value::Int(n) => Ok(Some(n.to_string().into_bytes())),
        other => Err(strange(&other)),
    }
}

fn checked(reply: Value) -> Result<Value> {
    match reply {
        Value::ServerError(error) => Err(StoreError::Refused(server_text(&error))),
        reply => Ok(reply),
    }
}

/// The value itself is not shown: it may hold a password hash.
fn strange(reply: &Value) -> StoreError {
    let kind = match reply {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::Array(_) | Value::Set(_) => "a list",
        _ => "another kind of value",
    };
    StoreError::Refused(format!("Redis answered with {kind} where that can't be"))
}
