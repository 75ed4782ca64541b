'use strict';

// A streaming relay: HTTP/2 in, HTTP/2 out to the engine over few shared sessions, bytes as they come.

const http2 = require('node:http2');
const { port, serve } = require('./serving');

const {
  NGHTTP2_NO_ERROR,
  HTTP2_HEADER_CONNECTION,
  HTTP2_HEADER_KEEP_ALIVE,
  HTTP2_HEADER_PROXY_AUTHENTICATE,
  HTTP2_HEADER_PROXY_AUTHORIZATION,
  HTTP2_HEADER_PROXY_CONNECTION,
  HTTP2_HEADER_TE,
  HTTP2_HEADER_TRANSFER_ENCODING,
  HTTP2_HEADER_UPGRADE,
} = http2.constants;

const CONNECT_MS = 5000;
// For all streams of a session to have their whole windows, so that a slow client holds back nobody else.
const SESSION_WINDOW = 32 << 20;
// Megabytes that a session may hold, for the same reason; the default of 10 is made for one client's.
const SESSION_MEMORY = 256;

// Fields that concern one connection only, should a peer send them over HTTP/2 all the same.
const HOP_BY_HOP = [
  HTTP2_HEADER_CONNECTION,
  HTTP2_HEADER_KEEP_ALIVE,
  HTTP2_HEADER_PROXY_AUTHENTICATE,
  HTTP2_HEADER_PROXY_AUTHORIZATION,
  HTTP2_HEADER_PROXY_CONNECTION,
  HTTP2_HEADER_TE,
  HTTP2_HEADER_TRANSFER_ENCODING,
  HTTP2_HEADER_UPGRADE,
];

/** The sessions to the engine, each of them filled before the next one is opened. */
class Engine {
  constructor(enginePort) {
    this.url = `http://127.0.0.1:${enginePort}`;
    this.sessions = new Map(); // With the number of streams on each.
    this.opening = undefined;
  }

  /** A session with room for another stream, or undefined. */
  sessionWithRoom() {
    for (const [session, streamCount] of this.sessions) {
      if (streamCount < session.remoteSettings.maxConcurrentStreams) return session;
    }
    return undefined;
  }

  /** Waits for a session with room, as all do who need one. */
  async connect() {
    for (;;) {
      const session = this.sessionWithRoom();
      if (session) return session;
      this.opening ??= this.#open().finally(() => {
        this.opening = undefined;
      });
      await this.opening;
    }
  }

  request(session, headers, options) {
    const stream = session.request(headers, options);
    this.sessions.set(session, this.sessions.get(session) + 1);
    stream.on('close', () => {
      if (this.sessions.has(session)) this.sessions.set(session, this.sessions.get(session) - 1);
    });
    return stream;
  }

  close() {
    for (const session of this.sessions.keys()) session.destroy();
  }

  #open() {
    return new Promise((resolve, reject) => {
      const session = http2.connect(this.url, { maxSessionMemory: SESSION_MEMORY, settings: { enablePush: false } });
      const timer = setTimeout(() => session.destroy(new Error('no answer')), CONNECT_MS);
      session.on('connect', () => session.setLocalWindowSize(SESSION_WINDOW));
      // The settings tell how many streams the engine allows.
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        this.sessions.set(session, 0);
        resolve();
      });
      session.on('goaway', () => this.sessions.delete(session));
      session.on('error', reject);
      session.on('close', () => {
        clearTimeout(timer);
        this.sessions.delete(session);
        reject(new Error('it closed the connection'));
      });
    });
  }
}

function withoutHopByHop(headers) {
  const rest = { ...headers };
  for (const name of HOP_BY_HOP) delete rest[name];
  return rest;
}

/** Tells the client that the engine has failed: in words while there is time, with a reset later. */
function fail(client, reason) {
  if (client.destroyed) return;
  if (client.headersSent) {
    // A reset. `close` with a code would end the stream properly first, so that a cut answer looked whole.
    client.destroy(new Error(reason));
    return;
  }
  client.resume();
  client.respond({ ':status': 502, 'content-type': 'text/plain' }, { sendDate: false });
  client.end(`${reason}\n`);
}

async function relay(engine, client, headers) {
  client.on('error', () => {}); // The client's fault; 'close' follows.
  let session = engine.sessionWithRoom();
  if (!session) {
    try {
      session = await engine.connect();
    } catch (error) {
      fail(client, `cannot connect to the engine: ${error.message}`);
      return;
    }
    if (client.destroyed) return;
  }
  const gone = new AbortController();
  client.on('close', () => gone.abort());
  const upstream = engine.request(session, withoutHopByHop(headers), { signal: gone.signal });
  pass(client, upstream);
  upstream.on('response', (response) => {
    if (client.destroyed) return;
    client.respond(withoutHopByHop(response), { sendDate: false });
    pass(upstream, client);
  });
  upstream.on('error', () => {}); // 'close' follows.
  upstream.on('close', () => {
    if (!client.writableEnded) fail(client, 'the engine has broken off');
  });
}

/** Pipes a body, and ends it where its sender ended it: streams that broke off have an 'end', too, but a code as well. */
function pass(source, target) {
  source.pipe(target, { end: false });
  source.on('end', () => {
    if (source.rstCode === NGHTTP2_NO_ERROR) target.end();
  });
}

const engine = new Engine(port('ENGINE_PORT'));
serve(
  (stream, headers) => relay(engine, stream, headers),
  () => engine.close(),
);
