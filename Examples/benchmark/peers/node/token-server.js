'use strict';

// A token server: answers chat completions with a stream of one token every 25 ms.
//
// The events are those of `tidegate engine --due` in lorem mode. The model `lorem-200` gives 200 tokens, any other 64.

const fs = require('node:fs');
const path = require('node:path');
const { serve } = require('./serving');

const INTERVAL_NS = 25_000_000;
const DEFAULT_TOKENS = 64;
const REQUEST_BYTES_MAX = 1 << 20;
// Tokens that are due together, since the client or this server was late, leave together: about so much at a time.
const CHUNK_LENGTH = 16 << 10;

const WORDS = fs.readFileSync(path.join(__dirname, '..', 'lorem.txt'), 'utf8').trim().split(/\s+/);

// The monotonic clock in nanoseconds: a number holds them exactly for the first hundred days that a machine is up.
function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

let lastID = BigInt(now());

class BadRequest extends Error {}

/** The body of an answer: makes tokens when they are due and the client has room for them. */
class TokenStream {
  constructor(stream, body) {
    const { model, count, finishReason } = readRequest(body);
    lastID += 1n;
    const id = lastID.toString(16).padStart(16, '0');
    const created = Math.floor(Date.now() / 1000);
    this.stream = stream;
    this.head =
      `data: {"id":"chatcmpl-${id}","object":"chat.completion.chunk","created":${created},` +
      `"model":${JSON.stringify(model)},"choices":[{"index":0,"delta":`;
    this.position = 0;
    this.count = count;
    this.finishReason = finishReason;
    this.due = now();
    this.timer = undefined;
    this.next = this.next.bind(this);
    stream.on('drain', this.next);
    stream.on('close', () => clearTimeout(this.timer));
  }

  start() {
    this.stream.respond({ ':status': 200, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
    this.advance(`${this.head}{"role":"assistant","content":""},"finish_reason":null}]}\n\n`);
  }

  next() {
    this.advance('');
  }

  /** Sends `chunk` and the tokens that are due, then waits for the next one or for room. */
  advance(chunk) {
    const instant = now();
    while (this.due <= instant && this.position < this.count && chunk.length < CHUNK_LENGTH) {
      const word = WORDS[this.position % WORDS.length];
      const space = this.position === 0 ? '' : ' ';
      chunk += `${this.head}{"content":"${space}${word}"},"finish_reason":null}],"due":${this.due}}\n\n`;
      this.position += 1;
      this.due += INTERVAL_NS;
    }
    if (this.position === this.count) {
      this.stream.end(`${chunk}${this.head}{},"finish_reason":"${this.finishReason}"}]}\n\ndata: [DONE]\n\n`);
      return;
    }
    if (chunk !== '' && !this.stream.write(chunk)) return; // 'drain' comes when there is room.
    // Timers count in milliseconds; rounded up, since a token must not leave before it is due.
    this.timer = setTimeout(this.next, Math.ceil((this.due - instant) / 1e6));
  }
}

function readRequest(body) {
  let request;
  try {
    request = JSON.parse(body);
  } catch (error) {
    throw new BadRequest(`The body is not valid JSON: ${error.message}.`);
  }
  if (typeof request?.model !== 'string') throw new BadRequest('Not a chat request: `model` must be a string.');
  const limit = request.max_tokens ?? Infinity;
  if (!(limit >= 0)) throw new BadRequest('Not a chat request: `max_tokens` must be a whole number.');
  if (!request.stream) throw new BadRequest('Only streams are served: set `stream` to true.');
  const asked = Number(/^lorem-(\d{1,9})\b/.exec(request.model)?.[1] ?? DEFAULT_TOKENS);
  return { model: request.model, count: Math.min(asked, limit), finishReason: asked > limit ? 'length' : 'stop' };
}

function refuse(stream, status, message) {
  if (stream.headersSent || stream.destroyed) return;
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

function answer(stream, headers) {
  stream.on('error', () => {}); // The client's fault; 'close' follows.
  if (headers[':method'] !== 'POST' || headers[':path'].split('?')[0] !== '/v1/chat/completions') {
    stream.resume();
    refuse(stream, 404, 'Only POST /v1/chat/completions is served.');
    return;
  }
  const chunks = [];
  let byteCount = 0;
  stream.on('data', (chunk) => {
    byteCount += chunk.length;
    if (byteCount <= REQUEST_BYTES_MAX) chunks.push(chunk);
    else refuse(stream, 413, 'The request is too large.');
  });
  stream.on('end', () => {
    if (stream.headersSent || stream.destroyed) return;
    try {
      new TokenStream(stream, Buffer.concat(chunks)).start();
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      refuse(stream, 400, error.message);
    }
  });
}

serve(answer);
