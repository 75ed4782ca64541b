//! A token server: answers chat completions with a stream of one token every 25 ms.
//!
//! The events are those of `tidegate engine --due` in lorem mode. The model `lorem-200` gives 200 tokens, any other 64.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::combinators::UnsyncBoxBody;
use http_body::{Full, Limited};
use hyper::body::{to_bytes, HttpBody};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Body, HeaderMap, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{interval, Interval};

const INTERVAL: Duration = Duration::from_millis(25);
const DEFAULT_TOKENS: u64 = 64;
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Tokens that are due together, since the client or this server was late, leave together: about so much at a time.
const CHUNK_BYTES: usize = 16 << 10;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

fn main() {
    LAST_ID.store(monotonic_ns(), Ordering::Relaxed);
    let words: Arc<[&str]> = include_str!("../../../lorem.txt").split_whitespace().collect();
    tidegate_peers::run(move || {
        let words = words.clone();
        move |request| answer(request, words.clone())
    })
}

#[derive(Deserialize)]
struct ChatRequest {
    model: String,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u64>,
}

async fn answer(request: Request<Body>, words: Arc<[&'static str]>) -> Response<AnswerBody> {
    if request.method() != Method::POST || request.uri().path() != "/v1/chat/completions" {
        return refuse(StatusCode::NOT_FOUND, "Only POST /v1/chat/completions is served.");
    }
    let body = match to_bytes(Limited::new(request.into_body(), REQUEST_BYTES_MAX)).await {
        Ok(body) => body,
        Err(_) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
    };
    match serde_json::from_slice::<ChatRequest>(&body) {
        Ok(chat) if chat.stream => Response::builder()
            .header(CONTENT_TYPE, "text/event-stream; charset=utf-8")
            .header(CACHE_CONTROL, "no-cache")
            .body(TokenStream::new(&chat, words).boxed_unsync())
            .expect("constant parts make a response"),
        Ok(_) => refuse(StatusCode::BAD_REQUEST, "Only streams are served: set `stream` to true."),
        Err(error) => refuse(StatusCode::BAD_REQUEST, &format!("Not a chat request: {error}.")),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response<AnswerBody> {
    let error =
        json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } });
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(error.to_string()).boxed_unsync())
        .expect("constant parts make a response")
}

/// The body of an answer. Tokens are made when they are due and the client has room for them, never before.
struct TokenStream {
    words: Arc<[&'static str]>,
    /// Every event up to its choice.
    head: String,
    position: u64,
    count: u64,
    finish_reason: &'static str,
    /// Ticks at the stream's start and every 25 ms from there; a tick that was missed comes at once.
    beat: Interval,
    /// The first tick, on the clock that clients read.
    start_ns: u64,
    is_open: bool,
    is_ended: bool,
}

impl TokenStream {
    fn new(chat: &ChatRequest, words: Arc<[&'static str]>) -> Self {
        let mut words_of_model = chat.model.split('-');
        let asked = match (words_of_model.next(), words_of_model.next()) {
            (Some("lorem"), Some(count)) => count.parse::<u32>().map_or(DEFAULT_TOKENS, u64::from),
            _ => DEFAULT_TOKENS,
        };
        let limit = chat.max_tokens.unwrap_or(u64::MAX);
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed);
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let model = json!(chat.model);
        Self {
            words,
            head: format!(
                r#"data: {{"id":"chatcmpl-{id:016x}","object":"chat.completion.chunk","created":{created},"model":{model},"choices":[{{"index":0,"delta":"#
            ),
            position: 0,
            count: asked.min(limit),
            finish_reason: if asked > limit { "length" } else { "stop" },
            beat: interval(INTERVAL),
            start_ns: monotonic_ns(),
            is_open: false,
            is_ended: false,
        }
    }

    fn write_role(&self, chunk: &mut BytesMut) {
        chunk.put_slice(self.head.as_bytes());
        chunk.put_slice(b"{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");
    }

    fn write_token(&self, chunk: &mut BytesMut) {
        let word = self.words[(self.position % self.words.len() as u64) as usize];
        let due = self.start_ns + self.position * INTERVAL.as_nanos() as u64;
        chunk.put_slice(self.head.as_bytes());
        chunk.put_slice(if self.position == 0 { b"{\"content\":\"" } else { b"{\"content\":\" " });
        chunk.put_slice(word.as_bytes());
        chunk.put_slice(b"\"},\"finish_reason\":null}],\"due\":");
        write!(chunk.writer(), "{due}}}\n\n").expect("a buffer that grows takes everything");
    }

    fn write_end(&self, chunk: &mut BytesMut) {
        chunk.put_slice(self.head.as_bytes());
        write!(chunk.writer(), "{{}},\"finish_reason\":\"{}\"}}]}}\n\ndata: [DONE]\n\n", self.finish_reason)
            .expect("a buffer that grows takes everything");
    }
}

impl HttpBody for TokenStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_data(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let mut chunk = BytesMut::with_capacity(256);
        if !self.is_open {
            self.is_open = true;
            self.write_role(&mut chunk);
        }
        while self.position < self.count && chunk.len() < CHUNK_BYTES && self.beat.poll_tick(context).is_ready() {
            self.write_token(&mut chunk);
            self.position += 1;
        }
        if self.position == self.count {
            self.is_ended = true;
            self.write_end(&mut chunk);
        }
        if chunk.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(chunk.freeze())))
    }

    fn poll_trailers(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Infallible>> {
        Poll::Ready(Ok(None))
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }
}

/// The monotonic clock, which `Instant` reads too but does not show.
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to `time`, and cannot fail with this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
