//! JavaScript's numbers as text, and what Redis takes for one.

/// `String(value)` of a number: `1`, `1600001000.601936`, `1e+21`, `1e-7`; `-0` is `0`; also `NaN`,
/// `Infinity` and `-Infinity`. This is the text of a score (HTTP 9).
pub fn number_text(value: f64) -> String {
    ryu_js::Buffer::new().format(value).to_owned()
}

/// Appends a number as `JSON.stringify` does: what is not finite is `null`.
pub(super) fn write_number(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// White space and line ends of ECMA-262: Unicode's, with U+FEFF and without U+0085.
fn is_space(char: char) -> bool {
    char == '\u{feff}' || (char.is_whitespace() && char != '\u{85}')
}

/// `Number(text)`, unary plus: white space around is dropped, the empty text is 0, `0x`, `0o` and `0b`
/// (either case, no sign) are integers of that base, `Infinity` takes a sign, decimals may lack the
/// digits on one side of the point. Anything else is NaN. Used for `offset` and `size` (HTTP 2).
pub fn number(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    let bits = match text.as_bytes() {
        [] => return 0.0,
        [b'0', b'x' | b'X', ..] => 4,
        [b'0', b'o' | b'O', ..] => 3,
        [b'0', b'b' | b'B', ..] => 1,
        _ => {
            return match text {
                "Infinity" | "+Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => decimal(text).unwrap_or(f64::NAN),
            };
        }
    };
    Significand::of(&text.as_bytes()[2..], bits).map_or(f64::NAN, Significand::value)
}

/// `parseInt(text)` without a radix, `None` for NaN: white space is skipped, a sign may follow, `0x`
/// selects base 16, and digits count up to the first character that is none (HTTP 2).
///
/// The result is an integer, `-0`, or an infinity if there are more than some 308 digits. For a [`Json`](super::Json)
/// value that is not a number take [`to_js_string`](super::to_js_string) first; its
/// [`to_lossy`](super::Str::to_lossy) does, since a surrogate is no digit and no space either.
pub fn parse_int(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(is_space);
    let (negative, text) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let value = match hex {
        Some(text) => Significand::of(leading(text, u8::is_ascii_hexdigit).as_bytes(), 4)?.value(),
        None => decimal(leading(text, u8::is_ascii_digit))?,
    };
    Some(if negative { -value } else { value })
}

fn leading(text: &str, wanted: fn(&u8) -> bool) -> &str {
    &text[..text.bytes().take_while(wanted).count()]
}

/// A decimal number with optional sign, point and exponent, and at least one digit: the grammar that
/// JavaScript, C and Rust have in common once letters other than the exponent's are ruled out.
///
/// Rounds to the nearest. (Rust stops counting exponents at six digits; only a number written with half
/// a million digits could tell.)
fn decimal(text: &str) -> Option<f64> {
    let allowed = |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(allowed) { text.parse().ok() } else { None }
}

/// Digits of a power-of-two base: `bits` · 2^`scale`, exact but for the bits that fell off at the end,
/// which are remembered in the lowest bit ("sticky") so that rounding still comes out right.
#[derive(Default)]
struct Significand {
    bits: u64,
    scale: i64,
}

impl Significand {
    /// An integer in base 2^`width`; `None` without digits or with anything else among them.
    fn of(digits: &[u8], width: u8) -> Option<Self> {
        let mut result = Self::default();
        for &digit in digits {
            result.push(char::from(digit).to_digit(1 << width)?, width);
        }
        (!digits.is_empty()).then_some(result)
    }

    fn push(&mut self, digit: u32, width: u8) {
        if self.bits >> (64 - width) == 0 {
            self.bits = self.bits << width | u64::from(digit);
        } else {
            self.bits |= u64::from(digit != 0);
            self.scale += i64::from(width);
        }
    }

    /// To the nearest f64, ties to even, as V8 rounds.
    fn value(self) -> f64 {
        match i32::try_from(self.scale) {
            // Multiplying by a power of two is exact, so the conversion of `bits` is the only rounding.
            Ok(scale @ ..=1023) => self.bits as f64 * 2f64.powi(scale),
            _ => f64::INFINITY,
        }
    }
}

/// The score that Redis reads from `text`, if it takes it: `ZADD` of Redis 6 and 7 on glibc, tried on
/// Redis 7.0.15.
///
/// Redis applies C's `strtod`, which has to use up the whole text. So there are decimals (`5.`, `.5`,
/// `+5`, `1e3`), hexadecimal floats (`0x10`, `0x.8p-3`) and `inf` or `infinity` in any case and with a
/// sign; no empty text, no space on either side, no NUL, no `nan`. A number too large for a double is
/// refused, and so is one that is not zero but would be rounded to zero.
pub fn redis_score(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'-', unsigned @ ..] => (true, unsigned),
        [b'+', unsigned @ ..] => (false, unsigned),
        _ => (false, text),
    };
    let signed = |value: f64| if negative { -value } else { value };
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(signed(f64::INFINITY));
    }
    if let [b'0', b'x' | b'X', hex @ ..] = unsigned {
        return hex_float(hex).map(signed);
    }
    let written_as_zero = || {
        let significand = text.split(|byte| matches!(byte, b'e' | b'E')).next();
        significand.unwrap_or_default().iter().all(|byte| !matches!(byte, b'1'..=b'9'))
    };
    let value = decimal(std::str::from_utf8(text).ok()?)?;
    (value.is_finite() && (value != 0.0 || written_as_zero())).then_some(value)
}

/// The part after `0x` of a hexadecimal float, by the same rules.
fn hex_float(text: &[u8]) -> Option<f64> {
    let mut halves = text.splitn(2, |byte| matches!(byte, b'p' | b'P'));
    let digits = halves.next().unwrap_or_default();
    let exponent = match halves.next() {
        None => 0,
        Some(exponent) => binary_exponent(exponent)?,
    };
    let mut significand = Significand::default();
    let (mut any, mut point) = (false, false);
    for &byte in digits {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                any = true;
                significand.push(digit, 4);
                significand.scale -= if point { 4 } else { 0 };
            }
            None if byte == b'.' && !point => point = true,
            None => return None,
        }
    }
    if !any || significand.bits == 0 {
        return any.then_some(0.0);
    }
    // The value is 1.fff… · 2^top, `lead` holding the 1 in its highest bit and then the fff….
    let zeros = significand.bits.leading_zeros();
    let lead = significand.bits << zeros;
    let top = exponent.saturating_add(significand.scale + 63 - i64::from(zeros));
    // From half a step above the largest double on, rounding gives infinity …
    let overflows = top > 1023 || (top == 1023 && lead >> 10 == (1 << 54) - 1);
    // … and up to half of the smallest one, zero.
    let vanishes = top < -1075 || (top == -1075 && lead == 1 << 63);
    (!overflows && !vanishes).then(|| rounded(lead, top))
}

/// `lead` · 2^(`top` - 63) to the nearest f64, ties to even. The highest bit of `lead` is set, `top` is
/// -1075 to 1023, and the result is neither rounded to zero nor to infinity.
fn rounded(lead: u64, top: i64) -> f64 {
    // 53 bits are kept; of a number below the normal ones fewer, in steps of 2^-1074.
    let dropped = if top < -1022 { -1011 - top } else { 11 };
    let (kept, rest, half) = match dropped {
        64 => (0, lead, 1 << 63),
        _ => (lead >> dropped, lead & ((1 << dropped) - 1), 1 << (dropped - 1)),
    };
    let bits = kept + u64::from(rest > half || (rest == half && kept % 2 == 1));
    // The bits of the exponent above those of the significand, whose 1 adds one to the former.
    let exponent = if top < -1022 { 0 } else { (top + 1022) as u64 };
    f64::from_bits((exponent << 52) + bits)
}

/// What stands after the `p`: an optional sign and digits. Far beyond any double it may saturate.
fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let mut value = 0i64;
    for digit in digits {
        let digit = char::from(*digit).to_digit(10)?;
        value = value.saturating_mul(10).saturating_add(i64::from(digit));
    }
    (!digits.is_empty()).then_some(if negative { -value } else { value })
}

/// The number behind an integer-like key: `"0"` to `"4294967294"`, digits only, without leading zeros.
/// Objects list these keys first, in ascending order (HTTP 2, 9).
pub fn array_index(key: &[u8]) -> Option<u32> {
    match key {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if key.len() <= 10 => {
            let mut value = 0u64;
            for byte in key {
                value = value * 10 + u64::from(char::from(*byte).to_digit(10)?);
            }
            u32::try_from(value).ok().filter(|&index| index != u32::MAX)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::redis_score;

    #[test]
    #[rustfmt::skip]
    fn values_of_scores() {
        let table: &[(&str, f64)] = &[
            ("1600001000.601936", 1600001000.601936), ("-5", -5.0), ("+5", 5.0), (".5", 0.5), ("5.", 5.0),
            ("1e3", 1000.0), ("5e-324", 5e-324), ("0e999999", 0.0), ("-0", 0.0), ("inf", f64::INFINITY),
            ("-InFinity", f64::NEG_INFINITY), ("0x10", 16.0), ("-0X1f", -31.0), ("0x.8p-3", 0.0625),
            ("0x1p1023", 2f64.powi(1023)), ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x1p-1022", f64::MIN_POSITIVE), ("0x0.fffffffffffff8p-1022", f64::MIN_POSITIVE),
            ("0x0.fffffffffffffp-1022", f64::MIN_POSITIVE - 5e-324), ("0x1p-1074", 5e-324),
            ("0x1.00000000000000000001p-1075", 5e-324), ("0x1.8p-1074", 1e-323), ("0x2.8p-1074", 1e-323),
            ("0x20000000000001", 9007199254740992.0), ("0x20000000000003", 9007199254740996.0),
            ("0x200000000000010000000000001", 2f64.powi(105) + 2f64.powi(53)),
            ("0x100000000000008000000000001", 2f64.powi(104) + 2f64.powi(52)),
        ];
        for &(text, value) in table {
            assert_eq!(redis_score(text.as_bytes()), Some(value), "{text:?}");
        }
        assert_eq!(redis_score(b"nan"), None);
    }
}
