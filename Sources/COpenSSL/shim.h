// OpenSSL 3 for Swift: the macros that the importer cannot see, as functions.
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static int copenssl_refuse_passphrase(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing, (void)data;
  return -1;
}

// What every context of ours has in common: TLS 1.2 and later, AEAD suites with forward secrecy only, buffers
// released when idle, partial writes from a buffer that may move, no renegotiation, no compression, no prompts.
static inline int copenssl_configure(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE
                                   | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(context, copenssl_refuse_passphrase);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1
         && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

static inline int copenssl_set_ticket_keys(SSL_CTX *context, void *keys, long size) {
  return SSL_CTX_set_tlsext_ticket_keys(context, keys, size) == 1;
}

static inline void copenssl_set_server_name_callback(
    SSL_CTX *context, int (*callback)(SSL *, int *, void *), void *argument) {
  SSL_CTX_set_tlsext_servername_callback(context, callback);
  SSL_CTX_set_tlsext_servername_arg(context, argument);
}

static inline const char *copenssl_server_name(SSL *session) {
  return SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
}

static inline int copenssl_set_server_name(SSL *session, const char *name) {
  return SSL_set_tlsext_host_name(session, name) == 1;
}

static inline int copenssl_reason_is_unexpected_eof(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

static inline int copenssl_reason_is_verify_failure(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

// What the sessions of one worker read from and write to, one session at a time: the socket of the connection whose turn it is, and
// memory for the records that it makes. OpenSSL itself never sends.
struct copenssl_wire {
  int descriptor;
  // Nothing is left to be read, and the poller will say when there is: a read came back short. Set only where `runs_dry` allows it.
  int is_dry, runs_dry;
  // The peer has sent its last byte.
  int is_ended;
  uint8_t *records;
  size_t record_capacity, record_count;
};

static int copenssl_wire_read(BIO *bio, char *bytes, size_t capacity, size_t *count) {
  struct copenssl_wire *wire = (struct copenssl_wire *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  if (wire->is_dry) {
    BIO_set_retry_read(bio);
    return -1;
  }
  ssize_t got;
  do got = recv(wire->descriptor, bytes, capacity, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) BIO_set_retry_read(bio);
    return -1;
  }
  if (got == 0) wire->is_ended = 1;
  if ((size_t)got < capacity && wire->runs_dry) wire->is_dry = 1;
  *count = (size_t)got;
  return got > 0;
}

// Takes what there is room for; OpenSSL offers the rest again.
static int copenssl_wire_write(BIO *bio, const char *bytes, size_t byte_count, size_t *count) {
  struct copenssl_wire *wire = (struct copenssl_wire *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  size_t room = wire->record_capacity - wire->record_count;
  *count = byte_count < room ? byte_count : room;
  if (*count == 0) {
    BIO_set_retry_write(bio);
    return -1;
  }
  memcpy(wire->records + wire->record_count, bytes, *count);
  wire->record_count += *count;
  return 1;
}

static long copenssl_wire_control(BIO *bio, int command, long number, void *pointer) {
  (void)number, (void)pointer;
  switch (command) {
  case BIO_CTRL_EOF: return ((struct copenssl_wire *)BIO_get_data(bio))->is_ended;
  case BIO_CTRL_FLUSH: return 1;
  default: return 0;
  }
}

// NULL when there is no memory for it. Never freed: one serves the process.
static inline BIO_METHOD *copenssl_wire_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidegate wire");
  if (method && BIO_meth_set_read_ex(method, copenssl_wire_read) && BIO_meth_set_write_ex(method, copenssl_wire_write)
      && BIO_meth_set_ctrl(method, copenssl_wire_control))
    return method;
  BIO_meth_free(method);
  return NULL;
}

// 0 when there is no memory for it.
static inline int copenssl_attach_wire(SSL *session, const BIO_METHOD *method, struct copenssl_wire *wire) {
  BIO *bio = BIO_new(method);
  if (!bio) return 0;
  BIO_set_data(bio, wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(session, bio, bio);
  return 1;
}

// What tells that a call failed is this queue, so that it must be empty before; it nearly always is, and to clear it costs more than
// to look.
static inline void copenssl_clear_errors(void) {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

#endif
