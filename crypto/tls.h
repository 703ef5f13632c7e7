#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "crypto/cert.h"
#include "crypto/key.h"

/*
 * TLS 1.2 and, with mbedTLS 3.6, 1.3 between buffers. No socket is touched, so a handshake can run in a worker thread
 * and records are handled on the loop. A struct tls is used by one thread at a time. A struct tls_config does not
 * change once the first connection was made from it; all threads share it, and each connection holds a reference.
 *
 * Suites: ECDHE with ECDSA or RSA and AES-GCM or ChaCha20-Poly1305, groups X25519, P-256, P-384. With static_rsa also
 * TLS_RSA_WITH_AES_128_CBC_SHA256 and TLS_RSA_WITH_AES_128_CBC_SHA, last in preference (TLS-01, TLS-02, D-10), and a
 * ClientHello without signature_algorithms works then. No renegotiation, tickets, compression or NULL suites, nothing
 * below 1.2.
 *
 * TLS 1.3 is for clients, and for servers that neither ask for client certificates nor keep sessions. It resumes by
 * tickets only, and the certificate of a client cannot be judged before the library calculates with its key.
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
	const struct tls_identity *ids; /* server: 1 to 8, chosen by SNI, the first is the default; client: 0 or 1 */
	size_t id_count;                /* <= 8 */
	struct trust *trust; /* anchors for the peer's certificate: a reference is taken; NULL trusts nobody */
	enum tls_client_auth client_auth;
	unsigned slots; /* independent copies of the keys, one for each worker: as many handshakes sign at once; >= 1 */
	unsigned session_cache; /* server: sessions kept for resumption by id, for an hour; 0 = none */
};

/*
 * tls_config_new: *out has one reference. Everything in p is copied but trust, of which a reference is taken.
 * ERR_SYNTAX or ERR_UNSUPPORTED for a chain that cannot be read or has more than CERT_CHAIN_MAX certificates, or for
 * counts outside their range; ERR_CRYPTO for a key that does not belong to its certificate.
 *
 * A server shows the identity whose leaf names the SNI host by cert_matches_sip_domain or cert_matches_host; without
 * SNI, or when none matches, the first one. Among several that match, an ECDSA one is preferred when the client can
 * verify it. Chains of peers need SHA-256 and RSA 2048.
 */
MUST_USE enum err tls_config_new(const struct tls_params *p, struct tls_config **out);
void tls_config_ref(struct tls_config *c);

/*
 * tls_config_forward: the same configuration without the static-RSA suites, for peers whose failed RSA handshakes look
 * like probing. Borrowed from c; c itself when it has no static RSA.
 */
struct tls_config *tls_config_forward(struct tls_config *c);
void tls_config_unref(struct tls_config *c);

/* tls_config_time: the clock of certificate checks, seconds since 1970; default time(NULL). For tests. */
void tls_config_time(struct tls_config *c, int64_t (*now)(void));

enum tls_name_rule {
	TLS_NAME_SIP, /* cert_matches_sip_domain: SIP peers, RFC 5922 */
	TLS_NAME_WEB, /* cert_matches_host with wildcard, cert_matches_ip: https */
};

/*
 * tls_new: a connection before its handshake. slot < slots picks the copy of the keys; two handshakes of one slot at
 * the same time are safe, but sign one after the other. A client gives the name that the certificate of the server must
 * have, which goes out as SNI unless it is an IP address. A server gives SLICE_NONE.
 */
struct tls *tls_new(struct tls_config *c, unsigned slot, struct slice name, enum tls_name_rule rule);
void tls_free(struct tls *t);

/* tls_input: takes records from the network, copied; tls_handshake and tls_read consume them. */
void tls_input(struct tls *t, struct slice records);

/*
 * tls_handshake: goes on as far as the input allows. ERR_AGAIN: more input is needed. ERR_OK: done, and the certificate
 * of the peer has been checked (chain, dates, purpose, and by a client the name). ERR_CRYPTO or ERR_CLOSED: over, see
 * tls_reason. What is to be sent, an alert too, waits in tls_output. A memory allocation that fails inside the library
 * ends the connection or the process, never in a half-made session. Costs milliseconds: run it in a worker.
 */
MUST_USE enum err tls_handshake(struct tls *t);

/*
 * tls_output: records to be sent; drain it with buf_drop or buf_clear. tls_read gives its memory back when it is empty.
 */
struct buf *tls_output(struct tls *t);

/*
 * tls_read: appends decrypted octets, at most max in one call; call it until it returns ERR_AGAIN. ERR_CLOSED: the peer
 * sent close_notify. ERR_CRYPTO: a damaged record; octets before it are delivered first.
 */
MUST_USE enum err tls_read(struct tls *t, struct buf *out, size_t max);

/*
 * tls_write: encrypts all of plain into tls_output; ERR_AGAIN before the handshake is over. tls_close: appends
 * close_notify; the caller sends it and closes the socket.
 */
MUST_USE enum err tls_write(struct tls *t, struct slice plain);
void tls_close(struct tls *t);

/* After the handshake: was the session resumed, the version ("TLSv1.2"), the name of the suite. */
bool tls_resumed(const struct tls *t);
const char *tls_version(const struct tls *t);
const char *tls_suite(const struct tls *t);
bool tls_is_static_rsa(const struct tls *t); /* also during a handshake that failed after the suite was chosen */

/* tls_peer: DER of the certificate of the peer, or SLICE_NONE; lies in t. */
struct slice tls_peer(const struct tls *t);

/* tls_name: the name given to tls_new; lies in t, empty for a server. */
struct slice tls_name(const struct tls *t);

/*
 * tls_reason: why the handshake or a record failed, as a clause for the log ("the peer's certificate has expired"),
 * never NULL; valid until the next call on t.
 */
const char *tls_reason(const struct tls *t);

/*
 * Resumption for clients, TLS 1.2 only. tls_session_save: after a handshake; NULL when the session cannot be resumed;
 * the caller frees it. tls_session_use: before a handshake. A session of another tls_config, or one whose certificate
 * does not fit the name or the time of this connection, is ignored, and the handshake is a full one.
 */
struct tls_session;
struct tls_session *tls_session_save(struct tls *t);
void tls_session_use(struct tls *t, const struct tls_session *s);
void tls_session_free(struct tls_session *s);

/*
 * tls_library_init: call it once per process before anything else of this folder; mbedTLS 3.6 sets up PSA here.
 * tls_library_version: name and version of the library, static.
 */
MUST_USE enum err tls_library_init(void);
const char *tls_library_version(void);

#endif
