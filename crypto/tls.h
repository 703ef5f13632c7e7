#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "crypto/cert.h"
#include "crypto/key.h"

/*
 * TLS 1.2 and, with mbedTLS 3.6, 1.3, between buffers: no socket is touched, so a handshake can run in a worker thread
 * and records on the loop. A struct tls is used by one thread at a time; a struct tls_config is immutable once the
 * first connection was made from it, shared by all threads, and must outlive its connections (it counts references).
 *
 * Suites: ECDHE with ECDSA or RSA and AES-GCM or ChaCha20-Poly1305, groups X25519, P-256, P-384; and last, when
 * static_rsa is set, TLS_RSA_WITH_AES_128_CBC_SHA256 and TLS_RSA_WITH_AES_128_CBC_SHA (draft 9.5, RFC 6072 10.5); then
 * a ClientHello without signature_algorithms works, too. No renegotiation, no tickets, no compression, no NULL suites,
 * nothing below 1.2. TLS 1.3 is for clients, and for servers that neither ask for client certificates nor keep
 * sessions: it resumes by tickets only, and its client certificates cannot be judged before the library calculates with
 * their keys.
 */
struct tls_config;
struct tls;

enum tls_client_auth { TLS_CLIENT_OFF, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

struct tls_identity {
	struct slice chain_pem; /* leaf first, then intermediates */
	const struct key *key;  /* private key of the leaf; copied, one copy a slot */
};

struct tls_params {
	bool server;
	bool static_rsa;
	bool eku_strict; /* cert_purpose_tls's strict */
	bool eku_client; /* server: the certificate of a client needs clientAuth; else serverAuth will do */
	const struct tls_identity *ids; /* server: the certificates by SNI, the first is the default; client: 0 or 1 */
	size_t id_count;                /* <= 8 */
	struct trust *trust; /* anchors for the peer's certificate: a reference is taken; NULL trusts nobody */
	enum tls_client_auth client_auth;
	unsigned slots;         /* independent copies of keys, so that that many handshakes sign at once; >= 1 */
	unsigned session_cache; /* server: sessions kept for resumption by id, for an hour; 0 = none */
};

/*
 * tls_config_new: ERR_SYNTAX or ERR_UNSUPPORTED for a chain that cannot be read (or of more than CERT_CHAIN_MAX),
 * ERR_CRYPTO for a key that does not belong to its certificate. Chains of peers need SHA-256 and RSA 2048. *out has one
 * reference. A server picks the identity whose leaf names the SNI host by cert_matches_sip_domain or cert_matches_host;
 * without SNI, or when none matches, the first. Among several that match, an ECDSA one is preferred when the client can
 * verify it.
 */
MUST_USE enum err tls_config_new(const struct tls_params *p, struct tls_config **out);
void tls_config_ref(struct tls_config *c);

/* tls_config_forward: the same without the static-RSA suites, for a server that is being probed; borrowed from c. */
struct tls_config *tls_config_forward(struct tls_config *c);
void tls_config_unref(struct tls_config *c);

/* tls_config_time: the clock of certificate checks, seconds since 1970; default time(NULL). For tests. */
void tls_config_time(struct tls_config *c, int64_t (*now)(void));

enum tls_name_rule {
	TLS_NAME_SIP, /* cert_matches_sip_domain: SIP peers, RFC 5922 */
	TLS_NAME_WEB, /* cert_matches_host with wildcard, cert_matches_ip: https */
};

/*
 * tls_new: a connection in the handshake. slot < slots picks the key copy; two handshakes of one slot at the same time
 * are safe, but sign one after the other. A client gives the name that the server's certificate must have (and that
 * goes out as SNI unless it is an IP address); a server gives SLICE_NONE.
 */
struct tls *tls_new(struct tls_config *c, unsigned slot, struct slice name, enum tls_name_rule rule);
void tls_free(struct tls *t);

/* tls_input: records from the network, copied; they are consumed by the calls below. */
void tls_input(struct tls *t, struct slice records);

/*
 * tls_handshake: goes on as far as the input allows. ERR_AGAIN: more input is needed; ERR_OK: done, and the peer's
 * certificate has been checked (chain, dates, purpose; a client also the name); ERR_CRYPTO or ERR_CLOSED: over, see
 * tls_reason. Output (also an alert on failure) waits in tls_output. A memory allocation that fails inside the library
 * is ERR_CRYPTO, never a half-made session. This call costs milliseconds: run it in a worker.
 */
MUST_USE enum err tls_handshake(struct tls *t);

/* tls_output: records to be sent, to drain with buf_drop/buf_clear; its memory is given back when it is found empty. */
struct buf *tls_output(struct tls *t);

/*
 * tls_read: appends decrypted octets, at most max in this call; there may be more until it answers ERR_AGAIN.
 * ERR_CLOSED: close_notify. ERR_CRYPTO.
 */
MUST_USE enum err tls_read(struct tls *t, struct buf *out, size_t max);

/* tls_write: encrypts all of plain into tls_output; ERR_AGAIN in the handshake. tls_close: adds close_notify. */
MUST_USE enum err tls_write(struct tls *t, struct slice plain);
void tls_close(struct tls *t);

/* tls_resumed: was the session resumed? tls_version: "TLSv1.2"; tls_suite: the suite's name. After the handshake. */
bool tls_resumed(const struct tls *t);
const char *tls_version(const struct tls *t);
const char *tls_suite(const struct tls *t);
bool tls_is_static_rsa(const struct tls *t); /* also during a handshake that failed after the suite was chosen */

/* tls_peer: DER of the peer's certificate, or SLICE_NONE; valid as long as t. */
struct slice tls_peer(const struct tls *t);

/* tls_name: the name that the server's certificate must have, as given to tls_new; empty for a server. */
struct slice tls_name(const struct tls *t);

/* tls_reason: why the handshake or a record failed, a clause ("the peer's certificate has expired"), never NULL. */
const char *tls_reason(const struct tls *t);

/*
 * Client side resumption: tls_session_save after a handshake, once a connection (NULL when not resumable),
 * tls_session_use before one. A session of another tls_config, or whose certificate does not fit the name or the time,
 * is not used.
 */
struct tls_session;
struct tls_session *tls_session_save(struct tls *t);
void tls_session_use(struct tls *t, const struct tls_session *s);
void tls_session_free(struct tls_session *s);

/*
 * tls_library_init: once per process before anything else of this folder; mbedTLS 3.6 sets PSA up here.
 * tls_library_version: the library's name and version.
 */
MUST_USE enum err tls_library_init(void);
const char *tls_library_version(void);

#endif
