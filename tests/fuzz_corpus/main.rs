//! The corpus of the fuzz targets, once more: through the targets, and beside the original's libraries.
//! `fuzz/README.md` says how it came to be.

mod frames;
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use redis_chat_server::{
    contract::{
        cookie::Secrets,
        uri::{decode_component, encode_component, latin1},
    },
    engine::packet::jsonp_payload,
    http::query::{Item, Value, number, value},
    js::{Json, MAX_DEPTH, ParseError, number_text},
    socketio::packet::{Packet, parse},
};

/// The inputs of a target, in the order of their names; with those of a folder that `FUZZ_CORPUS` names,
/// such as what a run has found.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = files(&root.join("fuzz/corpus").join(target)).expect("a corpus");
    assert!(!paths.is_empty(), "the corpus of {target} is empty");
    if let Some(more) = std::env::var_os("FUZZ_CORPUS") {
        paths.extend(files(&root.join(more).join(target)).unwrap_or_default());
    }
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

#[test]
fn every_input_keeps_the_promises() {
    for (target, run) in targets::TARGETS {
        run(b"");
        for input in corpus(target) {
            // The name of what fails is in the message, since a panic has only the broken promise.
            let kept = std::panic::catch_unwind(|| run(&input));
            assert!(kept.is_ok(), "{target}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn the_table_counts_the_inputs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("fuzz/README.md")).unwrap();
    for (target, _) in targets::TARGETS {
        let row = text.lines().rfind(|line| line.starts_with(&format!("| {target} |"))).unwrap();
        let count = files(&root.join("fuzz/corpus").join(target)).unwrap().len().to_string();
        assert_eq!(row.split('|').nth(5).map(str::trim), Some(&*count), "{row}");
    }
}

/// The answer of `oracle.mjs` to each input.
fn original(question: char, inputs: &[Vec<u8>]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("compat-tests/node-peer/node_modules/qs");
    assert!(packages.exists(), "the original's libraries are missing: make compat-packages");
    let mut node = Command::new("node")
        .arg(root.join("tests/fuzz_corpus/oracle.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node on the PATH");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: String = inputs.iter().map(|input| format!("{question}{}\n", hex(input))).collect();
    // The script answers only after the end of its input, so neither side can wait for the other.
    node.stdin.take().unwrap().write_all(lines.as_bytes()).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node failed");
    let byte =
        |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    let answers: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect())
        .map(|answer| String::from_utf8(answer).unwrap())
        .collect();
    assert_eq!(answers.len(), inputs.len());
    answers
}

/// Compares all inputs but those for which `ours` has no answer, and wants a good part to be answered
/// with more than `nothing`: a corpus of nonsense proves nothing.
fn compare(
    question: char,
    nothing: &str,
    inputs: Vec<Vec<u8>>,
    ours: impl Fn(&[u8]) -> Option<String>,
) {
    let (inputs, ours): (Vec<_>, Vec<_>) =
        inputs.into_iter().filter_map(|input| ours(&input).map(|ours| (input, ours))).unzip();
    let mut answered = 0;
    for ((input, ours), theirs) in inputs.iter().zip(ours).zip(original(question, &inputs)) {
        answered += usize::from(theirs != nothing);
        assert_eq!(ours, theirs, "{question} of {:?}", String::from_utf8_lossy(input));
    }
    assert!(answered * 10 >= inputs.len(), "only {answered} of {}", inputs.len());
}

fn texts(target: &str) -> Vec<Vec<u8>> {
    corpus(target).into_iter().filter(|input| std::str::from_utf8(input).is_ok()).collect()
}

#[test]
fn json_is_nodes() {
    compare('J', "!", texts("json"), |input| {
        match Json::parse(std::str::from_utf8(input).unwrap()) {
            Ok(value) => Some(value.to_text()),
            Err(ParseError::Syntax { .. }) => Some("!".into()),
            Err(ParseError::TooDeep | ParseError::TooMany) => None,
        }
    });
}

#[test]
fn session_ids_are_express_sessions() {
    let secrets = Secrets::new(&[targets::cookie::SECRET.into()]);
    let headers = |input: &Vec<u8>| !targets::cookie::headers(input).is_empty();
    // Lines of headers are joined as Node joins them.
    let joined = |input: Vec<u8>| {
        let lines = targets::cookie::headers(&input);
        lines.values().map(|line| line.as_bytes()).collect::<Vec<_>>().join(&b"; "[..])
    };
    let inputs = corpus("cookie").into_iter().filter(headers).map(joined).collect();
    compare('C', "", inputs, |input| {
        Some(secrets.sid(&targets::cookie::headers(input)).unwrap_or_default())
    });
}

#[test]
fn parameters_are_those_of_qs() {
    let text = |text: &str| Json::from(text).to_text();
    let shown = |query: &str, name: &str| match value(query, name) {
        None => "none".to_owned(),
        Some(Value::Text(found)) => text(&found),
        Some(Value::Object) => "object".to_owned(),
        Some(Value::List(items)) => {
            let items = items.iter().map(|item| match item {
                Item::Text(found) => text(found),
                Item::Hole | Item::Nested => "nested".to_owned(),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
    };
    compare('Q', "none none NaN", corpus("query"), |input| {
        let query = latin1(input);
        let (ids, offset) = (shown(&query, "ids"), shown(&query, "offset"));
        Some(format!("{ids} {offset} {}", number_text(number(&query, "offset"))))
    });
}

/// What the original's parser reads otherwise than we do, and no client sends.
fn is_odd(packet: &str) -> bool {
    let head = packet.split(['[', '{', '"']).next().unwrap_or_default();
    let count = packet.split('-').next().unwrap_or_default();
    // A space counts as the digit 0, and no text at all as the type 0.
    let space = packet.is_empty() || head.contains(char::is_whitespace);
    // The number of attachments is whatever JavaScript takes for a number.
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let number = head.starts_with(['5', '6']) && !digits(&count[1..]);
    // Nothing is too deep for it, and large numbers are rounded.
    space || number || packet.len() > MAX_DEPTH || head.len() > 15
}

#[test]
fn packets_are_those_of_the_originals_parser() {
    compare('P', "!", texts("packet"), |input| {
        let text = std::str::from_utf8(input).unwrap();
        if is_odd(text) {
            return None;
        }
        Some(match parse(text) {
            Err(_) => "!".into(),
            Ok(Packet::Ignored) => "ignored".into(),
            Ok(Packet::Connect { namespace }) => format!("0 {namespace}"),
            Ok(Packet::Disconnect { namespace }) => format!("1 {namespace}"),
            Ok(Packet::Event(event)) => {
                let (namespace, attachments) = (event.namespace, event.attachments);
                let ack = event.ack.map_or(String::new(), |ack| ack.to_string());
                let data = Json::Arr(event.arguments).to_text();
                format!("event {namespace} {attachments} {ack} {data}")
            }
        })
    });
}

#[test]
fn forms_are_read_as_the_original_reads_them() {
    let mut inputs = texts("payload");
    let form = |input: &Vec<u8>| {
        format!("d={}", encode_component(std::str::from_utf8(input).unwrap())).into_bytes()
    };
    inputs.extend(inputs.iter().map(form).collect::<Vec<_>>());
    compare('F', "!", inputs, |input| {
        let text = std::str::from_utf8(input).unwrap();
        let times = text.split('&').filter(|pair| pair.starts_with("d")).count();
        // Of several fields the original takes none, and a wrong escape spoils other characters there.
        let odd = times > 1 || decode_component(text).is_none();
        (!odd).then(|| jsonp_payload(text).unwrap_or("!".into()))
    });
}
