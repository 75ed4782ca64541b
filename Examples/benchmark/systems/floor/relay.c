// The floor: what a relay of token streams costs when it does nothing but relay.
//
//     relay LISTEN_PORT ENGINE_PORT [WORKERS]
//
// HTTP/2 in the clear on both sides, libnghttp2 on both sides, one thread a worker, one epoll. The streams of all clients
// share as few connections to the engine as its SETTINGS allow. A turn of the loop reads every ready engine connection
// until it is dry (2 MiB at most), then every ready client, and only then writes: each connection that has something to
// send is flushed once, so that tokens that arrived together leave together.
//
// It checks nothing. No header is validated, no limit holds, no timeout runs, and a client that does not read makes it
// grow. It is a yardstick; nobody should serve with it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  READ_BYTES = 256 << 10,
  WRITE_BYTES = 256 << 10,
  ENGINE_TURN_BYTES = 2 << 20,
  CLIENT_TURN_BYTES = 64 << 10,
  ENGINE_STREAM_WINDOW = 16 << 20,
  ENGINE_CONNECTION_WINDOW = 1 << 30,
  ENGINE_STREAMS_MAX = 1024,
  CLIENT_STREAMS_MAX = 1024,
  EVENTS = 4096,
};

// A queue of bytes that keeps its memory.
struct bytes {
  uint8_t *data;
  size_t start, end, capacity;
};

static size_t bytes_count(const struct bytes *queue) { return queue->end - queue->start; }

static void bytes_append(struct bytes *queue, const void *data, size_t count) {
  if (queue->end + count > queue->capacity) {
    if (queue->start > 0) {
      memmove(queue->data, queue->data + queue->start, bytes_count(queue));
      queue->end -= queue->start;
      queue->start = 0;
    }
    if (queue->end + count > queue->capacity) {
      queue->capacity = (queue->end + count) * 2;
      queue->data = realloc(queue->data, queue->capacity);
      if (!queue->data) abort();
    }
  }
  memcpy(queue->data + queue->end, data, count);
  queue->end += count;
}

static size_t bytes_take(struct bytes *queue, void *into, size_t limit) {
  size_t count = bytes_count(queue) < limit ? bytes_count(queue) : limit;
  memcpy(into, queue->data + queue->start, count);
  queue->start += count;
  if (queue->start == queue->end) queue->start = queue->end = 0;
  return count;
}

static void bytes_free(struct bytes *queue) {
  free(queue->data);
  *queue = (struct bytes){0};
}

struct exchange;

// A TCP connection with its HTTP/2 session: to a client, or to the engine.
struct connection {
  int descriptor;
  bool is_engine, is_dirty, is_closed, awaits_writability;
  size_t stream_count;
  nghttp2_session *session;
  struct bytes unsent;
  struct exchange *exchanges;
  struct connection *next_dirty, *next;
};

// One side of an exchange, in the list of its connection's. `connection` is null once the stream is closed.
struct side {
  struct connection *connection;
  int32_t stream;
  struct exchange *next, *previous;
};

// One request and its answer. Lives until both streams are closed.
struct exchange {
  struct side client, engine;
  // Name and value lengths (2 x uint32_t) before each name and value: the request's head, then the answer's.
  struct bytes head;
  struct bytes request, answer;
  bool answer_begun, answer_ended, answer_deferred;
};

static int poller;
static uint16_t engine_port;
static struct connection *engines, *dirty, *closed;
static nghttp2_session_callbacks *client_callbacks, *engine_callbacks;
static nghttp2_option *options;
static uint8_t read_buffer[READ_BYTES], write_buffer[WRITE_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void mark_dirty(struct connection *connection) {
  if (connection->is_dirty || connection->is_closed) return;
  connection->is_dirty = true;
  connection->next_dirty = dirty;
  dirty = connection;
}

// Sides and exchanges

static struct side *side_on(struct exchange *exchange, const struct connection *connection) {
  return connection->is_engine ? &exchange->engine : &exchange->client;
}

static void attach(struct exchange *exchange, struct connection *connection, int32_t stream) {
  struct side *side = side_on(exchange, connection);
  *side = (struct side){.connection = connection, .stream = stream, .next = connection->exchanges};
  if (side->next) side_on(side->next, connection)->previous = exchange;
  connection->exchanges = exchange;
  connection->stream_count++;
}

// Takes the exchange off one side's connection; ends the other side with it, and frees the exchange after both.
static void detach(struct exchange *exchange, struct side *side, struct side *other, uint32_t error) {
  struct connection *connection = side->connection;
  if (side->next) side_on(side->next, connection)->previous = side->previous;
  if (side->previous) {
    side_on(side->previous, connection)->next = side->next;
  } else {
    connection->exchanges = side->next;
  }
  connection->stream_count--;
  side->connection = NULL;
  if (other->connection) {
    // An answer that is whole still has bytes to go to the client, whose stream ends by itself.
    if (side == &exchange->engine && exchange->answer_ended) return;
    nghttp2_submit_rst_stream(other->connection->session, NGHTTP2_FLAG_NONE, other->stream, error);
    mark_dirty(other->connection);
    return;
  }
  bytes_free(&exchange->head);
  bytes_free(&exchange->request);
  bytes_free(&exchange->answer);
  free(exchange);
}

static void close_connection(struct connection *connection) {
  if (connection->is_closed) return;
  connection->is_closed = true;
  while (connection->exchanges) {
    struct exchange *exchange = connection->exchanges;
    bool from_engine = connection->is_engine;
    detach(exchange, from_engine ? &exchange->engine : &exchange->client,
           from_engine ? &exchange->client : &exchange->engine, NGHTTP2_CANCEL);
  }
  for (struct connection **link = &engines; *link; link = &(*link)->next) {
    if (*link == connection) {
      *link = connection->next;
      break;
    }
  }
  close(connection->descriptor);
  // The poller or the dirty list may still name it in this turn.
  connection->next = closed;
  closed = connection;
}

static void free_closed(void) {
  while (closed) {
    struct connection *connection = closed;
    closed = connection->next;
    nghttp2_session_del(connection->session);
    bytes_free(&connection->unsent);
    free(connection);
  }
}

// Heads

static void append_field(struct bytes *head, const uint8_t *name, size_t name_count, const uint8_t *value,
                         size_t value_count) {
  uint32_t counts[2] = {(uint32_t)name_count, (uint32_t)value_count};
  bytes_append(head, counts, sizeof counts);
  bytes_append(head, name, name_count);
  bytes_append(head, value, value_count);
}

// The fields of a head, which point into it. The caller has `fields` hold as many as may come.
static size_t fields_of(const struct bytes *head, nghttp2_nv *fields, size_t limit) {
  size_t count = 0;
  for (size_t at = head->start; at < head->end && count < limit; count++) {
    uint32_t counts[2];
    memcpy(counts, head->data + at, sizeof counts);
    at += sizeof counts;
    fields[count] = (nghttp2_nv){.name = head->data + at,
                                 .value = head->data + at + counts[0],
                                 .namelen = counts[0],
                                 .valuelen = counts[1]};
    at += counts[0] + counts[1];
  }
  return count;
}

// Bodies: what nghttp2 asks for when it writes DATA

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *into, size_t limit, uint32_t *flags,
                            nghttp2_data_source *source, void *user) {
  struct exchange *exchange = source->ptr;
  size_t count = bytes_take(&exchange->request, into, limit);
  if (bytes_count(&exchange->request) == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)count;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *into, size_t limit, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
  struct exchange *exchange = source->ptr;
  size_t count = bytes_take(&exchange->answer, into, limit);
  if (exchange->answer_ended && bytes_count(&exchange->answer) == 0) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  } else if (count == 0) {
    exchange->answer_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return (ssize_t)count;
}

// Connections

static struct connection *open_connection(int descriptor, bool is_engine) {
  int one = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) abort();
  connection->descriptor = descriptor;
  connection->is_engine = is_engine;
  if (is_engine) {
    nghttp2_session_client_new2(&connection->session, engine_callbacks, connection, options);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, ENGINE_STREAM_WINDOW}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, ENGINE_CONNECTION_WINDOW);
    connection->next = engines;
    engines = connection;
  } else {
    nghttp2_session_server_new2(&connection->session, client_callbacks, connection, options);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CLIENT_STREAMS_MAX}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1);
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
  mark_dirty(connection);
  return connection;
}

// A connection to the engine that has room for one more stream.
static struct connection *pick_engine(void) {
  for (struct connection *connection = engines; connection; connection = connection->next) {
    uint32_t room =
        nghttp2_session_get_remote_settings(connection->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (room > ENGINE_STREAMS_MAX) room = ENGINE_STREAMS_MAX;
    if (connection->stream_count < room) return connection;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(engine_port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
    fail("the engine cannot be reached");
  }
  return open_connection(descriptor, true);
}

// What the client's session tells

static int client_begins(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct exchange *exchange = calloc(1, sizeof *exchange);
  if (!exchange) abort();
  attach(exchange, user, frame->hd.stream_id);
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
  return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count,
                    const uint8_t *value, size_t value_count, uint8_t flags, void *user) {
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (exchange) append_field(&exchange->head, name, name_count, value, value_count);
  return 0;
}

static int client_sends_body(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                             size_t count, void *user) {
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
  if (exchange) bytes_append(&exchange->request, data, count);
  return 0;
}

// A request is passed on once it is whole.
static int client_sends_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!exchange) return 0;
  struct connection *engine = pick_engine();
  nghttp2_nv fields[256];
  size_t count = fields_of(&exchange->head, fields, 256);
  nghttp2_data_provider body = {.source.ptr = exchange, .read_callback = read_request};
  int32_t stream = nghttp2_submit_request(engine->session, NULL, fields, count,
                                          bytes_count(&exchange->request) > 0 ? &body : NULL, exchange);
  if (stream < 0) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return 0;
  }
  exchange->head.start = exchange->head.end = 0;
  attach(exchange, engine, stream);
  mark_dirty(engine);
  return 0;
}

static int client_closes(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
  if (exchange) detach(exchange, &exchange->client, &exchange->engine, NGHTTP2_CANCEL);
  return 0;
}

// What the engine's session tells

static void resume_answer(struct exchange *exchange) {
  struct connection *client = exchange->client.connection;
  if (!client) return;
  if (exchange->answer_deferred) {
    exchange->answer_deferred = false;
    nghttp2_session_resume_data(client->session, exchange->client.stream);
  }
  mark_dirty(client);
}

static int engine_sends_body(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                             size_t count, void *user) {
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
  if (!exchange || !exchange->client.connection) return 0;
  bytes_append(&exchange->answer, data, count);
  resume_answer(exchange);
  return 0;
}

static int engine_sends_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!exchange || !exchange->client.connection) return 0;
  bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  if (frame->hd.type == NGHTTP2_HEADERS && !exchange->answer_begun) {
    nghttp2_nv fields[256];
    size_t count = fields_of(&exchange->head, fields, 256);
    bool is_interim = count > 0 && fields[0].valuelen > 0 && fields[0].value[0] == '1';
    if (!is_interim) {
      exchange->answer_begun = true;
      nghttp2_data_provider body = {.source.ptr = exchange, .read_callback = read_answer};
      nghttp2_submit_response(exchange->client.connection->session, exchange->client.stream, fields, count,
                              is_end ? NULL : &body);
      mark_dirty(exchange->client.connection);
    }
    bytes_free(&exchange->head);
  }
  if (is_end) {
    exchange->answer_ended = true;
    resume_answer(exchange);
  }
  return 0;
}

static int engine_closes(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
  struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
  if (exchange) detach(exchange, &exchange->engine, &exchange->client, error ? error : NGHTTP2_INTERNAL_ERROR);
  return 0;
}

static void prepare_callbacks(void) {
  nghttp2_session_callbacks_new(&client_callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(client_callbacks, client_begins);
  nghttp2_session_callbacks_set_on_header_callback(client_callbacks, on_field);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(client_callbacks, client_sends_body);
  nghttp2_session_callbacks_set_on_frame_recv_callback(client_callbacks, client_sends_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(client_callbacks, client_closes);
  nghttp2_session_callbacks_new(&engine_callbacks);
  nghttp2_session_callbacks_set_on_header_callback(engine_callbacks, on_field);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(engine_callbacks, engine_sends_body);
  nghttp2_session_callbacks_set_on_frame_recv_callback(engine_callbacks, engine_sends_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(engine_callbacks, engine_closes);
  nghttp2_option_new(&options);
  nghttp2_option_set_no_http_messaging(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
}

// Reading and writing

static void receive(struct connection *connection) {
  size_t budget = connection->is_engine ? ENGINE_TURN_BYTES : CLIENT_TURN_BYTES;
  while (budget > 0) {
    size_t limit = budget < READ_BYTES ? budget : READ_BYTES;
    ssize_t count = recv(connection->descriptor, read_buffer, limit, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count <= 0 || nghttp2_session_mem_recv(connection->session, read_buffer, (size_t)count) < 0) {
      return close_connection(connection);
    }
    budget -= (size_t)count;
    // A short read leaves nothing behind.
    if ((size_t)count < limit) break;
  }
  // Acknowledgements and window updates.
  if (nghttp2_session_want_write(connection->session)) mark_dirty(connection);
  if (!nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session)) {
    close_connection(connection);
  }
}

static void await_writability(struct connection *connection, bool awaits) {
  if (connection->awaits_writability == awaits) return;
  connection->awaits_writability = awaits;
  struct epoll_event event = {.events = EPOLLIN | (awaits ? EPOLLOUT : 0), .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->descriptor, &event);
}

// Sends what it can; keeps the rest. False when the connection is gone.
static bool send_bytes(struct connection *connection, const uint8_t *data, size_t count) {
  size_t sent = 0;
  while (sent < count) {
    ssize_t result = send(connection->descriptor, data + sent, count - sent, MSG_NOSIGNAL);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0 && errno == EAGAIN) break;
    if (result <= 0) {
      close_connection(connection);
      return false;
    }
    sent += (size_t)result;
  }
  if (sent < count) bytes_append(&connection->unsent, data + sent, count - sent);
  return true;
}

static void flush(struct connection *connection) {
  if (bytes_count(&connection->unsent) > 0) {
    struct bytes unsent = connection->unsent;
    connection->unsent = (struct bytes){0};
    bool lives = send_bytes(connection, unsent.data + unsent.start, bytes_count(&unsent));
    bytes_free(&unsent);
    if (!lives) return;
  }
  while (bytes_count(&connection->unsent) == 0) {
    size_t filled = 0;
    const uint8_t *data;
    ssize_t count = 0;
    // A frame is 16 KiB and its head at most.
    while (filled + (17 << 10) < WRITE_BYTES && (count = nghttp2_session_mem_send(connection->session, &data)) > 0) {
      if (filled + (size_t)count > WRITE_BYTES) abort();
      memcpy(write_buffer + filled, data, (size_t)count);
      filled += (size_t)count;
    }
    if (count < 0) return close_connection(connection);
    if (filled == 0) break;
    if (!send_bytes(connection, write_buffer, filled)) return;
    if (count == 0) break;
  }
  await_writability(connection, bytes_count(&connection->unsent) > 0);
}

static void flush_dirty(void) {
  while (dirty) {
    struct connection *connection = dirty;
    dirty = connection->next_dirty;
    connection->is_dirty = false;
    if (!connection->is_closed) flush(connection);
  }
}

static int listen_on(uint16_t port) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  if (listen(descriptor, 8192) != 0) fail("listen");
  return descriptor;
}

static void serve(int listener) {
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll");
  static struct epoll_event events[EVENTS];
  while (true) {
    int count = epoll_wait(poller, events, EVENTS, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int pass = 0; pass < 2; pass++) {
      for (int index = 0; index < count; index++) {
        struct connection *connection = events[index].data.ptr;
        if (!connection || connection->is_closed || connection->is_engine != (pass == 0)) continue;
        if (events[index].events & EPOLLOUT) mark_dirty(connection);
        if (events[index].events & ~(uint32_t)EPOLLOUT) receive(connection);
      }
    }
    for (int index = 0; index < count; index++) {
      if (events[index].data.ptr) continue;
      for (int accepted = 0; accepted < 256; accepted++) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) break;
        open_connection(descriptor, false);
      }
    }
    flush_dirty();
    free_closed();
  }
}

static uint16_t port_of(const char *text) {
  int port = atoi(text);
  if (port < 1 || port > 65535) {
    fprintf(stderr, "relay: `%s` is no port\n", text);
    exit(2);
  }
  return (uint16_t)port;
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: relay LISTEN_PORT ENGINE_PORT [WORKERS]\n");
    return 2;
  }
  uint16_t listen_port = port_of(arguments[1]);
  engine_port = port_of(arguments[2]);
  int workers = count > 3 ? atoi(arguments[3]) : 1;
  signal(SIGPIPE, SIG_IGN);
  for (int worker = 1; worker < workers; worker++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      break;
    }
  }
  prepare_callbacks();
  serve(listen_on(listen_port));
}
