//! A source and a sink in one library, on the real `postcard` crate with the types that cross to plugins.
//!
//! Source: batches of 10 messages {"n":…} with ids, headers and times until `count` of them; its state is the number of
//! the next one as u64. With `tag` instead: one batch of that schema, without state, whose messages have each option and
//! each kind of header once. Sink: a line of text per message into `file`.

use base64::{engine::general_purpose::STANDARD, Engine};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::slice::from_raw_parts;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
enum Schema {
    Json,
    Raw,
    Text,
    Proto,
    FlatBuffer,
    Avro,
}

#[derive(Deserialize)]
struct TopicMetadata {
    stream: String,
    topic: String,
}

#[derive(Deserialize)]
struct MessagesMetadata {
    partition_id: u32,
    current_offset: u64,
    schema: Schema,
}

#[derive(Deserialize)]
struct RawMessage {
    id: u128,
    offset: u64,
    checksum: u64,
    timestamp: u64,
    origin_timestamp: u64,
    headers: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Deserialize)]
struct RawMessages {
    schema: Schema,
    messages: Vec<RawMessage>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum HeaderKind {
    Raw,
    String,
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uint128,
    Float32,
    Float64,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct HeaderField {
    kind: HeaderKind,
    value: String, // base64
}

type Headers = BTreeMap<HeaderField, HeaderField>;

#[derive(Serialize)]
struct ProducedMessage {
    id: Option<u128>,
    checksum: Option<u64>,
    timestamp: Option<u64>,
    origin_timestamp: Option<u64>,
    headers: Option<Headers>,
    payload: Vec<u8>,
}

#[derive(Serialize)]
struct ConnectorState(Vec<u8>);

#[derive(Serialize)]
struct ProducedMessages {
    schema: Schema,
    messages: Vec<ProducedMessage>,
    state: Option<ConnectorState>,
}

type LogFn = extern "C" fn(u8, *const u8, usize, *const u8, usize);
type SendFn = extern "C" fn(u32, u64, *const u8, usize) -> i32;

#[derive(Default)]
struct State {
    closing: bool,
    pending: Option<u64>,
    answer: Option<u8>,
}

struct Instance {
    config: String,
    next: u64,
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn instances() -> &'static Mutex<HashMap<u32, Arc<Instance>>> {
    static MAP: OnceLock<Mutex<HashMap<u32, Arc<Instance>>>> = OnceLock::new();
    MAP.get_or_init(Default::default)
}

fn find(id: u32) -> Option<Arc<Instance>> {
    instances().lock().unwrap().get(&id).cloned()
}

/// What stands behind "key": in a flat object.
fn value<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let at = config.find(&format!("\"{key}\":"))? + key.len() + 3;
    let rest = config[at..].trim_start();
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    Some(&rest[..rest.find(['"', ',', '}'])?])
}

fn open(id: u32, config: &[u8], next: u64, log: LogFn) -> i32 {
    let Ok(config) = std::str::from_utf8(config) else { return -1 };
    if find(id).is_some() {
        return -1;
    }
    let (target, text) = ("rust_plugin", "opened in Rust");
    log(2, target.as_ptr(), target.len(), text.as_ptr(), text.len());
    let made = Instance { config: config.into(), next, state: Default::default(), changed: Condvar::new(), thread: Mutex::new(None) };
    instances().lock().unwrap().insert(id, Arc::new(made));
    0
}

fn close(id: u32) -> i32 {
    let Some(i) = instances().lock().unwrap().remove(&id) else { return -1 };
    i.state.lock().unwrap().closing = true;
    i.changed.notify_all();
    let thread = i.thread.lock().unwrap().take();
    thread.map_or(0, |t| t.join().map_or(-1, |()| 0))
}

fn field(kind: HeaderKind, bytes: &[u8]) -> HeaderField {
    HeaderField { kind, value: STANDARD.encode(bytes) }
}

fn batch(from: u64) -> Vec<u8> {
    let messages = (from..from + 10)
        .map(|n| ProducedMessage {
            id: Some((1u128 << 100) + u128::from(n)),
            checksum: Some(u64::MAX),
            timestamp: Some(1),
            origin_timestamp: None,
            headers: Some(Headers::from([
                (field(HeaderKind::String, b"lang"), field(HeaderKind::String, b"rust")),
                (field(HeaderKind::String, b"n"), field(HeaderKind::Uint64, &n.to_le_bytes())),
            ])),
            payload: format!("{{\"n\":{n}}}").into_bytes(),
        })
        .collect();
    let state = Some(ConnectorState((from + 10).to_le_bytes().to_vec()));
    postcard::to_stdvec(&ProducedMessages { schema: Schema::Json, messages, state }).unwrap()
}

/// Bytes that a header of each kind may have.
const VALUES: [(HeaderKind, &[u8]); 15] = [
    (HeaderKind::Raw, &[0, 255]),
    (HeaderKind::String, b"abc"),
    (HeaderKind::Bool, &[1]),
    (HeaderKind::Int8, &[255]),
    (HeaderKind::Int16, &[254, 255]),
    (HeaderKind::Int32, &[1, 0, 0, 128]),
    (HeaderKind::Int64, &[1, 2, 3, 4, 5, 6, 7, 128]),
    (HeaderKind::Int128, &[9; 16]),
    (HeaderKind::Uint8, &[200]),
    (HeaderKind::Uint16, &[1, 200]),
    (HeaderKind::Uint32, &[1, 2, 3, 200]),
    (HeaderKind::Uint64, &[255; 8]),
    (HeaderKind::Uint128, &[254; 16]),
    (HeaderKind::Float32, &[0, 0, 128, 63]),
    (HeaderKind::Float64, &[0, 0, 0, 0, 0, 0, 240, 63]),
];

/// One header of each kind, the first also as a key; then no headers, and an empty map.
fn headers_of(n: usize) -> Option<Headers> {
    if n > VALUES.len() {
        return Some(Headers::new());
    }
    let (kind, value) = *VALUES.get(n)?;
    let mut all = Headers::from([(field(HeaderKind::String, b"k"), field(kind, value))]);
    if n == 0 {
        all.insert(field(HeaderKind::Uint32, &[7, 0, 0, 0]), field(HeaderKind::String, b"by number"));
    }
    Some(all)
}

fn tagged(tag: u64) -> Vec<u8> {
    let schemas = [Schema::Json, Schema::Raw, Schema::Text, Schema::Proto, Schema::FlatBuffer, Schema::Avro];
    let payload = |n: usize| match tag {
        0 => format!("{{\"n\":{n}}}").into_bytes(),
        2 => format!("t\u{eb}xt {n}").into_bytes(),
        _ => vec![0xff, 0x80, tag as u8, 128 + n as u8],
    };
    let messages = (0..VALUES.len() + 2)
        .map(|n| ProducedMessage {
            id: (n & 1 != 0).then_some(u128::MAX - n as u128),
            checksum: (n & 2 != 0).then_some(u64::MAX),
            timestamp: (n & 4 != 0).then_some(1),
            origin_timestamp: (n & 8 != 0).then_some(300),
            headers: headers_of(n),
            payload: payload(n),
        })
        .collect();
    postcard::to_stdvec(&ProducedMessages { schema: schemas[tag as usize], messages, state: None }).unwrap()
}

fn produce(id: u32, i: &Instance, send: SendFn) {
    let count: u64 = value(&i.config, "count").and_then(|v| v.parse().ok()).unwrap_or(100);
    let tag = value(&i.config, "tag").and_then(|v| v.parse().ok());
    let (mut next, mut number) = (i.next, 0);
    while next < count {
        number += 1;
        let bytes = tag.map_or_else(|| batch(next), tagged);
        {
            let mut s = i.state.lock().unwrap();
            (s.pending, s.answer) = (Some(number), None);
        }
        let accepted = send(id, number, bytes.as_ptr(), bytes.len()) == 0;
        let mut s = i.state.lock().unwrap();
        while accepted && s.answer.is_none() && !s.closing {
            s = i.changed.wait(s).unwrap();
        }
        if s.closing {
            return;
        }
        if s.answer == Some(0) {
            next += 10;
        }
    }
}

/// # Safety
/// Pointers and lengths as include/headgate/iggy_plugin.h says.
#[no_mangle]
pub unsafe extern "C" fn iggy_source_open(id: u32, config: *const u8, n: usize, state: *const u8, state_n: usize, log: LogFn) -> i32 {
    let next = if state.is_null() { 0 } else { from_raw_parts(state, state_n).try_into().map_or(0, u64::from_le_bytes) };
    open(id, from_raw_parts(config, n), next, log)
}

#[no_mangle]
pub extern "C" fn iggy_source_handle_v2(id: u32, send: SendFn) -> i32 {
    let Some(i) = find(id) else { return -1 };
    let own = i.clone();
    *i.thread.lock().unwrap() = Some(std::thread::spawn(move || produce(id, &own, send)));
    0
}

#[no_mangle]
pub extern "C" fn iggy_source_batch_result(id: u32, batch_id: u64, result: u8) -> i32 {
    let Some(i) = find(id) else { return -1 };
    let mut s = i.state.lock().unwrap();
    if s.pending != Some(batch_id) || s.answer.is_some() {
        return -1;
    }
    s.answer = Some(result);
    i.changed.notify_all();
    0
}

#[no_mangle]
pub extern "C" fn iggy_source_close(id: u32) -> i32 {
    close(id)
}

#[no_mangle]
pub extern "C" fn iggy_source_version() -> *const std::ffi::c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// # Safety
/// As above.
#[no_mangle]
pub unsafe extern "C" fn iggy_sink_open(id: u32, config: *const u8, n: usize, log: LogFn) -> i32 {
    open(id, from_raw_parts(config, n), 0, log)
}

fn text(f: &HeaderField) -> String {
    let bytes = STANDARD.decode(&f.value).unwrap();
    match f.kind {
        HeaderKind::String => String::from_utf8(bytes).unwrap(),
        kind => format!("{kind:?}:{bytes:?}"),
    }
}

/// A value of exactly these bytes.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    postcard::take_from_bytes(bytes).ok().filter(|(_, rest)| rest.is_empty()).map(|(v, _)| v)
}

fn consume(i: &Instance, topic: &[u8], meta: &[u8], messages: &[u8]) -> Option<i32> {
    let topic: TopicMetadata = whole(topic)?;
    let meta: MessagesMetadata = whole(meta)?;
    let all: RawMessages = whole(messages)?;
    if all.schema as u8 != meta.schema as u8 {
        return None;
    }
    let mut out = String::new();
    for m in &all.messages {
        let headers: Headers = if m.headers.is_empty() { Headers::new() } else { whole(&m.headers)? };
        let headers: Vec<String> = headers.iter().map(|(k, v)| format!("{}={}", text(k), text(v))).collect();
        out += &format!(
            "{} {} {} {} {:?} {:x} {} {} {} [{}] {}\n",
            topic.stream,
            topic.topic,
            meta.partition_id,
            m.offset,
            meta.schema,
            m.id,
            m.checksum,
            m.offset <= meta.current_offset,
            m.timestamp > 0 && m.origin_timestamp > 0,
            headers.join(","),
            std::str::from_utf8(&m.payload).map_or_else(|_| m.payload.escape_ascii().to_string(), String::from)
        );
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(value(&i.config, "file")?);
    Some(file.and_then(|mut f| f.write_all(out.as_bytes())).map_or(1, |()| 0))
}

/// # Safety
/// As above.
#[no_mangle]
pub unsafe extern "C" fn iggy_sink_consume(
    id: u32,
    topic: *const u8,
    topic_n: usize,
    meta: *const u8,
    meta_n: usize,
    messages: *const u8,
    messages_n: usize,
) -> i32 {
    let Some(i) = find(id) else { return -1 };
    consume(&i, from_raw_parts(topic, topic_n), from_raw_parts(meta, meta_n), from_raw_parts(messages, messages_n)).unwrap_or(-1)
}

#[no_mangle]
pub extern "C" fn iggy_sink_close(id: u32) -> i32 {
    close(id)
}

#[no_mangle]
pub extern "C" fn iggy_sink_version() -> *const std::ffi::c_char {
    iggy_source_version()
}
