'use strict';

// What the token server and the relay have in common: where they listen, in how many processes, and how they end.

const cluster = require('node:cluster');
const http2 = require('node:http2');

const BACKLOG = 8192;
// How long streams may go on after SIGTERM. The endless ones of a benchmark have to be cut off some time.
const DRAIN_MS = 1000;

/** Says what is wrong and ends the process. */
function fail(message) {
  console.error(message);
  process.exit(1);
}

function number(name, what, min, max) {
  const text = process.env[name] ?? '';
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) fail(`${name} is \`${text}\`: it must be ${what}`);
  return value;
}

/** The port that the environment variable `name` gives. */
const port = (name) => number(name, 'a port', 0, 65535);

/**
 * Serves HTTP/2 in the clear on LISTEN_PORT until SIGTERM or SIGINT.
 *
 * WORKERS above 1 are as many processes, to which this one hands the connections in turn.
 *
 * @param onStream called with each request's stream and headers
 * @param onEnd called when the process is to end, to let go of what keeps it alive
 */
function serve(onStream, onEnd = () => {}) {
  const listenPort = port('LISTEN_PORT');
  const workers = process.env.WORKERS === undefined ? 1 : number('WORKERS', 'a number above 0', 1, 1024);
  if (workers > 1 && cluster.isPrimary) {
    superviseWorkers(workers);
    return;
  }

  const sessions = new Set();
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {}); // The peer's fault; its streams have ended with it.
  });
  server.on('stream', onStream);
  server.on('error', (error) => fail(`cannot listen on 127.0.0.1:${listenPort}: ${error.message}`));
  server.listen({ host: '127.0.0.1', port: listenPort, backlog: BACKLOG }, () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });

  const stop = () => {
    server.close();
    for (const session of sessions) session.close();
    const end = () => {
      for (const session of sessions) session.destroy();
      onEnd();
      if (cluster.isWorker) process.disconnect();
    };
    if (sessions.size === 0) end();
    else setTimeout(end, DRAIN_MS);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

function superviseWorkers(count) {
  let isEnding = false;
  const stop = () => {
    isEnding = true;
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM');
  };
  cluster.on('exit', () => {
    if (isEnding) return;
    process.exitCode = 1;
    stop();
  });
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  for (let index = 0; index < count; index += 1) cluster.fork();
}

module.exports = { port, serve };
