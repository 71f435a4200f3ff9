//! The same input to this module and to the originals: Node.js, and by hand Redis.
//!
//! The inputs are random but the same each time. `node` has to be on the PATH: without it these tests
//! fail, since a check that silently does not happen is worth nothing.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// SplitMix64: all we want of randomness is to be the same tomorrow.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn join(&mut self, of: &[&str], limit: usize) -> String {
        (0..self.below(limit)).map(|_| self.pick(of)).collect()
    }
}

/// Answers each request `(function, text)` with the text that Node.js gives, `!` for an exception.
fn node(requests: &[(char, String)]) -> Vec<String> {
    const SCRIPT: &str = r#"
        const functions = {
            J: text => JSON.stringify(JSON.parse(text)),
            S: text => String(JSON.parse(text)),
            N: text => exact(Number(text)),
            I: text => exact(parseInt(text)),
            B: text => JSON.stringify(Buffer.from(text, "hex")) + Buffer.from(text, "hex"),
            A: text => String(JSON.parse(text).map(String)),
        };
        function exact(number) {
            const view = new DataView(new ArrayBuffer(8));
            view.setFloat64(0, number);
            return Number.isNaN(number) ? "NaN" : view.getBigUint64(0).toString();
        }
        const lines = require("fs").readFileSync(0, "latin1").split("\n").slice(0, -1);
        process.stdout.write(lines.map(line => {
            let answer;
            try {
                answer = functions[line[0]](Buffer.from(line.slice(1), "hex").toString());
            } catch {
                answer = "!";
            }
            return Buffer.from(answer).toString("hex") + "\n";
        }).join(""));
    "#;
    let mut child = Command::new("node")
        .args(["-e", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node on the PATH");
    let mut input = String::new();
    for (function, text) in requests {
        input.push(*function);
        input.extend(text.bytes().map(|byte| format!("{byte:02x}")));
        input.push('\n');
    }
    // The script answers only after the end of its input, so neither side can wait for the other.
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("node reads");
    drop(stdin);
    let output = child.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node failed");
    let answers: Vec<String> =
        output.stdout.lines().map(|line| unhex(&line.expect("hex"))).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn unhex(line: &str) -> String {
    let byte = |place| u8::from_str_radix(&line[place..place + 2], 16).expect("hex");
    String::from_utf8((0..line.len()).step_by(2).map(byte).collect()).expect("UTF-8")
}

fn compare(requests: &[(char, String)], ours: impl Fn(char, &str) -> String) {
    let mut taken = 0;
    for ((function, text), theirs) in requests.iter().zip(node(requests)) {
        taken += usize::from(theirs != "!" && theirs != "NaN");
        assert_eq!(ours(*function, text), theirs, "{function} of {text:?}");
    }
    // A generator that makes nothing but errors would find nothing.
    assert!(taken > requests.len() / 10, "only {taken} of {}", requests.len());
}

fn random_number(random: &mut Random) -> String {
    match random.below(8) {
        0 => random.below(100).to_string(),
        1 => f64::from_bits(random.next()).to_string(),
        2 => format!("{:e}", f64::from_bits(random.next())).replace("NaN", "0").replace("inf", "1"),
        3 => format!("-{}.{}", random.next(), random.next()),
        4 => format!("{}E{}", random.below(1000), random.below(700) as i64 - 350),
        5 => (random.next() >> random.below(64)).to_string(),
        6 => format!("{}{}", random.next(), random.next()),
        _ => random
            .pick(&["-0", "0.0", "1e21", "1e-7", "1E400", "-1e+400", "1e-400", "5e-324"])
            .into(),
    }
}

fn random_string(random: &mut Random) -> String {
    #[rustfmt::skip]
    const PARTS: &[&str] = &[
        "a", "bc", " ", "<b>", "&", "é", "한", "\u{2028}", "\u{7f}", "\u{feff}", "\u{1f600}", "\\n",
        "\\/", "\\\"", "\\\\", "\\b", "\\f", "\\t", "\\r", "\\u0041", "\\u0000", "\\u001F",
        "\\ud83d", "\\uDE00", "\\ud83d\\ude00", "\\uD55c", "\\uffff", "\\u007f",
        "the quick brown fox ", "0123456789abcdef",
    ];
    format!("\"{}\"", random.join(PARTS, 8))
}

fn random_key(random: &mut Random) -> String {
    match random.below(6) {
        0 => format!("\"{}\"", random.below(30)),
        1 => format!("\"{}\"", random.next() >> random.below(64)),
        2 => format!("\"k{}\"", random.below(8)),
        3 => random_string(random),
        _ => {
            #[rustfmt::skip]
            let keys = [
                "__proto__", "constructor", "01", "-1", "4294967294", "4294967295", "4294967296",
                "", "roomId", "message", "from", "date", "0", "\\u0031", "1.0", "1e3", "-0",
                "length", "9007199254740991", "9007199254740992", "18446744073709551615", "toJSON",
            ];
            format!("\"{}\"", random.pick(&keys))
        }
    }
}

fn random_json(random: &mut Random, depth: usize) -> String {
    let space = |random: &mut Random| random.pick(&["", "", "", "", " ", "\n", "\t", "\r", "  "]);
    let kind = random.below(if depth > 5 { 5 } else { 9 });
    let before = space(random);
    let value = match kind {
        0 => random.pick(&["null", "true", "false"]).to_owned(),
        1 | 2 => random_number(random),
        3 | 4 => random_string(random),
        5 | 6 => {
            let len = random.below(5);
            let items: Vec<_> = (0..len).map(|_| random_json(random, depth + 1)).collect();
            format!("[{}{}]", space(random), items.join(","))
        }
        _ => {
            let len = if random.one_in(8) { 40 } else { random.below(6) };
            let pair = |random: &mut Random| {
                let (key, value) = (random_key(random), random_json(random, depth + 1 + len / 10));
                format!("{}{key}{}:{value}", space(random), space(random))
            };
            let pairs: Vec<_> = (0..len).map(|_| pair(random)).collect();
            format!("{{{}{}}}", space(random), pairs.join(","))
        }
    };
    format!("{before}{value}{}", space(random))
}

/// Inserts, removes or doubles a piece: mostly what nearly is JSON finds a parser's faults.
fn spoil(random: &mut Random, text: &mut String) {
    let mut at = random.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match random.below(3) {
        0 => {
            let pieces = [
                "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", "+", ".", "e", "E", "\0",
                "\u{1f}", "\n", "\u{a0}", "\u{feff}", "u", "\\u", "\\ud800", "null", "x", "/", "'",
            ];
            text.insert_str(at, random.pick(&pieces));
        }
        1 => {
            text.drain(at..).next();
            text.truncate(at);
        }
        _ if at < text.len() => {
            text.remove(at);
        }
        _ => {}
    }
}

#[test]
fn json_is_nodes_json() {
    let mut random = Random(20_200_913);
    let requests: Vec<_> = (0..20_000)
        .map(|_| {
            let mut text = random_json(&mut random, 0);
            while random.one_in(3) {
                spoil(&mut random, &mut text);
            }
            ('J', text)
        })
        .collect();
    compare(&requests, |_, text| Json::parse(text).map_or("!".into(), |value| value.to_text()));
}

#[test]
fn values_become_nodes_strings() {
    let mut random = Random(2);
    let requests: Vec<_> = (0..5_000).map(|_| ('S', random_json(&mut random, 0))).collect();
    let ours =
        |text: &str| Json::parse(text).map(|value| to_js_string(&value).to_lossy().into_owned());
    compare(&requests, |_, text| ours(text).unwrap_or("!".into()));
}

#[test]
fn bytes_are_nodes_buffers() {
    const PARTS: &[&str] = &[
        "61", "00", "7f", "80", "bf", "c2", "e0", "ed", "a0", "9f", "f0", "90", "f4", "8f", "ff",
        "efbbbf",
    ];
    let mut random = Random(6);
    let requests: Vec<_> = (0..5_000).map(|_| ('B', random.join(PARTS, 12))).collect();
    compare(&requests, |_, text| {
        let byte = |place| u8::from_str_radix(&text[place..place + 2], 16).expect("hex");
        let value = Json::Bin((0..text.len()).step_by(2).map(byte).collect());
        value.to_text() + &to_js_string(&value).to_lossy()
    });
}

#[test]
fn numbers_print_as_nodes() {
    let mut random = Random(3);
    let requests: Vec<_> = (0..20_000)
        .map(|_| {
            let value = match random.below(4) {
                0 => f64::from_bits(random.next()),
                1 => random.next() as f64 / 1024.0,
                2 => (random.next() >> random.below(64)) as f64,
                _ => random.below(1_000_000) as f64 * 10f64.powi(random.below(60) as i32 - 30),
            };
            ('N', if value.is_nan() { "0".into() } else { number_text(value) })
        })
        .collect();
    // Node reads our text; that the text is also the one Node writes is the other test's business.
    compare(&requests, |_, text| number(text).to_bits().to_string());
    let texts: Vec<_> = requests.iter().map(|(_, text)| text.as_str()).collect();
    let finite: Vec<_> = texts.into_iter().filter(|text| !text.contains("Inf")).collect();
    let list = format!("[{}]", finite.join(","));
    assert_eq!(node(&[('A', list)])[0].split(',').collect::<Vec<_>>(), finite);
}

#[test]
fn texts_become_nodes_numbers() {
    #[rustfmt::skip]
    const PARTS: &[&str] = &[
        "0", "1", "9", "7", "42", "f", "a", "0x", "0X", "0b", "0O", ".", "e", "E", "+", "-", "_",
        "n", " ", "\n", "\u{b}", "\u{a0}", "\u{feff}", "\u{2028}", "\u{85}", "\u{180e}", "\u{200b}",
        "\u{2003}", "\u{202f}", "\u{3000}", "Infinity", "NaN", "x", "\0", "é", "\u{661}",
        "12345678901234567890", "000000", "0101", "8000000000000",
    ];
    let mut random = Random(4);
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..20_000 {
        texts.push(random.join(PARTS, 6));
        texts.push(random_number(&mut random));
        let (digits, prefix) = (random.below(400), random.pick(&["", "-", "0x", "0o", "0b", " +"]));
        let alphabet: &[&str] = match prefix {
            "0x" => &["0", "0", "1", "7", "8", "f", "F"],
            "0b" => &["0", "1"],
            _ => &["0", "0", "1", "5", "7"],
        };
        texts.push(format!("{prefix}{}", random.join(alphabet, digits / 4 + 1)));
        // Ties and their neighbours, where rounding shows.
        let tie =
            format!("{:b}{}", (1u64 << 52) + random.next() % (1 << 52), random.pick(&["0", "1"]));
        let tail = random.pick(&["", "0", "000", "0001", "1", "00000000000000000000001"]);
        texts.push(format!("0b{tie}{tail}"));
    }
    for function in ['N', 'I'] {
        let requests: Vec<_> = texts.iter().map(|text| (function, text.clone())).collect();
        compare(&requests, |function, text| {
            let value =
                if function == 'N' { number(text) } else { parse_int(text).unwrap_or(f64::NAN) };
            if value.is_nan() { "NaN".into() } else { value.to_bits().to_string() }
        });
    }
}

/// Starts a `redis-server` of its own on a free port.
#[test]
fn redis_takes_the_same_scores() {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    texts.extend(tests::SCORES.iter().map(|(text, _)| text.as_bytes().to_vec()));
    texts.extend((0..=255).flat_map(|byte| [vec![byte], vec![byte, b'5'], vec![b'5', byte]]));
    const PARTS: &[&str] = &[
        "0", "1", "9", "f", "A", "0x", "0X", ".", "e", "E", "p", "P", "+", "-", "inf", "INFINITY",
        "nan", "(", ")", " ", "\t", "\0", "_", "e-32", "e30", "p-107", "p102", "00000000",
        "ffffffff", "é", "i", "n",
    ];
    let mut random = Random(5);
    for _ in 0..60_000 {
        texts.push(random.join(PARTS, 7).into_bytes());
        texts.push(random_number(&mut random).into_bytes());
        let edge = random.pick(&[
            "1.fffffffffffff",
            "1.",
            "0.",
            ".8",
            "1",
            "0000.0000000000000000000001",
            "f",
        ]);
        let digits = random.join(&["0", "0", "8", "7", "f", "00000000"], 5);
        let exponent = *random.pick(&[&-1078i64, &-1074, &1020, &1024, &0, &1110, &-990])
            + random.below(6) as i64;
        texts.push(format!("0x{edge}{digits}p{exponent}").into_bytes());
        let edge = random.pick(&[
            "2.47",
            "2.4703282292062327",
            "4.94",
            "1.79769313486231",
            "17976931348623158",
        ]);
        let exponent = random.pick(&["-324", "-323", "-325", "308", "307", "292"]);
        texts.push(format!("{edge}{}e{exponent}", random.below(100)).into_bytes());
    }

    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("a port").port();
    drop(free);
    let mut redis = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server on the PATH");
    let answers = std::panic::catch_unwind(|| zadd_each(port, &texts));
    let _ = redis.kill();
    let _ = redis.wait();
    let mut taken = 0;
    for (text, theirs) in texts.iter().zip(answers.expect("answers")) {
        taken += usize::from(theirs.is_some());
        let ours = redis_score(text);
        assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(text));
    }
    println!("{taken} of {} taken", texts.len());
}

/// The score that the server on `port` takes each text for, if it takes it.
fn zadd_each(port: u16, texts: &[Vec<u8>]) -> Vec<Option<f64>> {
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port));
    let socket = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        connect().ok()
    });
    let mut socket = socket.expect("redis-server listens");
    let mut answers = BufReader::new(socket.try_clone().expect("a second handle"));
    let mut taken = Vec::new();
    for some in texts.chunks(100) {
        let mut commands = Vec::new();
        for text in some {
            let _ = write!(commands, "*4\r\n$4\r\nZADD\r\n$1\r\nk\r\n${}\r\n", text.len());
            commands.extend_from_slice(text);
            commands.extend_from_slice(b"\r\n$1\r\nm\r\nZSCORE k m\r\n");
        }
        socket.write_all(&commands).expect("redis reads");
        for _ in some {
            let mut line = String::new();
            answers.read_line(&mut line).expect("an answer");
            assert!(line.starts_with(':') || line.contains("not a valid float"), "{line}");
            let mut score = String::new();
            answers.read_line(&mut score).expect("a length or nil");
            if score.starts_with("$-1") {
                taken.push(None);
                continue;
            }
            score.clear();
            answers.read_line(&mut score).expect("a score");
            // A refused text leaves the score of the one before it.
            taken.push(line.starts_with(':').then(|| score.trim_end().parse().expect("a number")));
        }
    }
    taken
}
