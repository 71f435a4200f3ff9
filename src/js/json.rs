//! JSON values and the parser: `JSON.parse`.

use super::object::Object;
use super::text::{Str, is_special, plain_len, push_code_point};
use std::fmt;
use std::sync::Arc;

/// How deep arrays and objects may be nested in a text that [`Json::parse`] accepts. Upstream has no
/// such limit; ours keeps the recursion of parser, writer and drop far from the end of a 2 MiB stack.
pub const MAX_DEPTH: usize = 500;

/// A value of JSON, or bytes that came as an attachment of a binary event.
///
/// Equality is that of the written form, but for numbers that are not finite: the order of keys counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`; `undefined` too, where that can occur.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number. `1E400` parses as infinity, as in JavaScript, and is written as `null`.
    Num(f64),
    /// A string.
    Str(Str),
    /// An array.
    Arr(Vec<Json>),
    /// An object.
    Obj(Object),
    /// Bytes: a Node.js `Buffer`. Never made by [`Json::parse`].
    Bin(Arc<[u8]>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Obj(object)
    }
}

/// Why a text is not taken as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// `JSON.parse` would throw; `at` is the offset in bytes of what cannot stand there.
    Syntax {
        /// Offset in bytes; the length of the text if it ends too early.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`]. The text may or may not be JSON otherwise.
    TooDeep,
    /// More values than [`Json::parse_few`] was to take. The text may or may not be JSON otherwise.
    TooMany,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { at } => write!(f, "not JSON at byte {at}"),
            Self::TooDeep => write!(f, "JSON nested deeper than {MAX_DEPTH}"),
            Self::TooMany => write!(f, "JSON of too many values"),
        }
    }
}

impl std::error::Error for ParseError {}

impl Json {
    /// `JSON.parse(text)`: takes exactly what ECMA-404 allows, up to a nesting of [`MAX_DEPTH`].
    ///
    /// # Errors
    ///
    /// [`ParseError::Syntax`] where `JSON.parse` throws (a byte order mark included, if one was not
    /// stripped before), [`ParseError::TooDeep`] beyond the limit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_few(text, usize::MAX)
    }

    /// The same for a text of at most `most` values: of a megabyte of tiny ones each takes more time than its letters,
    /// and ten times the memory.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and [`ParseError::TooMany`].
    pub fn parse_few(text: &str, most: usize) -> Result<Self, ParseError> {
        let mut parser = Parser { text, at: 0, depth: 0, left: most };
        let value = parser.value()?;
        parser.space();
        if parser.at == text.len() { Ok(value) } else { Err(parser.error()) }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Values that may still come.
    left: usize,
}

impl Parser<'_> {
    fn error(&self) -> ParseError {
        ParseError::Syntax { at: self.at }
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error()) }
    }

    fn value(&mut self) -> Result<Json, ParseError> {
        self.space();
        self.left = self.left.checked_sub(1).ok_or(ParseError::TooMany)?;
        // Nothing else stands in the frames that nest, so that the deepest text needs little stack.
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Json, ParseError> {
        match self.peek() {
            Some(b'"') => self.string().map(Json::Str),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Num),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.error()),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, ParseError> {
        word.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(value)
    }

    /// Steps over the bracket that opens an array or object. Whether `close` follows at once.
    fn open(&mut self, close: u8) -> Result<bool, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        Ok(self.closes(close))
    }

    /// Steps over the bracket that closes an array or object if it is next.
    fn closes(&mut self, close: u8) -> bool {
        let closes = self.eat(close);
        self.depth -= usize::from(closes);
        closes
    }

    /// After an element: whether a further one follows.
    fn goes_on(&mut self, close: u8) -> Result<bool, ParseError> {
        self.space();
        if self.eat(b',') {
            Ok(true)
        } else if self.closes(close) {
            Ok(false)
        } else {
            Err(self.error())
        }
    }

    fn array(&mut self) -> Result<Json, ParseError> {
        let mut items = Vec::new();
        let mut more = !self.open(b']')?;
        while more {
            items.push(self.value()?);
            more = self.goes_on(b']')?;
        }
        Ok(Json::Arr(items))
    }

    fn object(&mut self) -> Result<Json, ParseError> {
        let mut pairs = Vec::new();
        let mut more = !self.open(b'}')?;
        while more {
            let key = self.key()?;
            pairs.push((key, self.value()?));
            more = self.goes_on(b'}')?;
        }
        Ok(Json::Obj(Object::from_pairs(pairs)))
    }

    fn key(&mut self) -> Result<Str, ParseError> {
        self.space();
        let key = self.string()?;
        self.space();
        self.expect(b':')?;
        Ok(key)
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(self.error()) }
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        self.text[start..self.at].parse().map_err(|_| ParseError::Syntax { at: start })
    }

    fn string(&mut self) -> Result<Str, ParseError> {
        self.expect(b'"')?;
        let mut start = self.at;
        let mut out = Vec::new();
        loop {
            self.at += plain_len(self.rest(), is_special);
            let run = &self.text.as_bytes()[start..self.at];
            match self.peek() {
                // Most strings are one run: copied once, into an allocation of the right size.
                Some(b'"') if out.is_empty() => {
                    let text = Str::from_wtf8(run);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'"') => {
                    out.extend_from_slice(run);
                    self.at += 1;
                    return Ok(Str::from_wtf8(&out));
                }
                Some(b'\\') => {
                    out.extend_from_slice(run);
                    self.at += 1;
                    self.escape(&mut out)?;
                    start = self.at;
                }
                _ => return Err(self.error()),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), ParseError> {
        let byte = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let code = self.code_point()?;
                push_code_point(code, out);
                return Ok(());
            }
            _ => return Err(self.error()),
        };
        self.at += 1;
        out.push(byte);
        Ok(())
    }

    /// What follows `\u`, with the low half of a pair if that comes next. Joining the halves here is
    /// what keeps `Str` to one spelling per string.
    fn code_point(&mut self) -> Result<u32, ParseError> {
        let first = self.four_digits()?;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                return Ok(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = before;
        }
        Ok(first)
    }

    fn four_digits(&mut self) -> Result<u32, ParseError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.error())?;
            self.at += 1;
        }
        Ok(code)
    }
}
