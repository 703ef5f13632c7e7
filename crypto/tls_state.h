#ifndef CRYPTO_TLS_STATE_H
#define CRYPTO_TLS_STATE_H

#include <stdatomic.h>
#include <string.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>

#include "crypto/mbed.h"
#include "crypto/tls.h"

/* The insides of tls.h, shared by tls.c (connection), tls_config.c, tls_peer.c (the judge), tls_hello.c and
 * tls_reason.c. */

#define TLS_IDS_MAX 8
#define TLS_SESSION_S 3600 /* a session can be resumed for that long */

/* One slot: the library's configuration with private keys of its own. */
struct tls_slot {
	mbedtls_ssl_config ssl;
	struct key *keys[TLS_IDS_MAX]; /* owned */
	struct tls_config *config;     /* the one this is part of */
};

struct tls_own {
	mbedtls_x509_crt chain; /* what we show; read only, shared by the slots */
	struct cert *leaf;      /* owned */
};

struct tls_config {
	atomic_uint refs;
	bool server;
	bool eku_strict, eku_client;
	enum tls_client_auth client_auth;
	struct trust *trust; /* a reference; NULL trusts nobody */
	int64_t (*now)(void);
	struct tls_own ids[TLS_IDS_MAX];
	size_t id_count;
	struct tls_slot *slots; /* owned */
	size_t slot_count;
	mbedtls_ssl_cache_context cache;
	struct tls_config *forward; /* one reference; NULL: this one has no static RSA itself */
};

struct tls {
	mbedtls_ssl_context ssl;
	struct tls_config *config; /* one reference */
	struct slice name;         /* owned; the name that the server must have; empty for a server */
	enum tls_name_rule rule;
	struct buf in;  /* records from the peer that the library has not read yet, behind taken */
	size_t taken;   /* octets of in that the library has read */
	size_t fence;   /* the library may read up to this offset of in during this step; 0 = all of it */
	struct buf out; /* records to send */
	struct buf reason;
	struct cert *leaf; /* the certificate that was judged, until the handshake is over */
	enum err failed;   /* ERR_OK, or what every call answers from now on */
	int suite;         /* chosen in this handshake; 0 = none yet */
	int first;         /* the very first octet from the peer, -1 = none yet: TLS begins with a record type */
	bool full;         /* certificates were exchanged: the session is not resumed */
	bool over;         /* tls_handshake has answered ERR_OK */
};

/* tls_fail: ends the connection with an alert to the peer and a reason; the answer is always ERR_CRYPTO. */
enum err tls_fail(struct tls *t, int alert, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * tls_fail_library: the same for an error of the library. told: octets of t->out before it: the library sends most
 * alerts itself, and where it has not, the peer is told here (RFC 5246 7.2.2). ERR_CLOSED for a close.
 */
enum err tls_fail_library(struct tls *t, int rc, size_t told);

/*
 * tls_hello_look: what a client begins with, before the library reads it. ERR_AGAIN: a handshake record that is not
 * complete. ERR_NOTFOUND: the ClientHello of a client that has TLS 1.3 or later only.
 */
MUST_USE enum err tls_hello_look(struct slice in);

/*
 * tls_judge_server: judges the certificates that the server has just sent, before the library does arithmetic with
 * their keys.
 */
MUST_USE enum err tls_judge_server(struct tls *t);

/* tls_judge_session: is a session with that certificate still good for this connection? Changes nothing. */
bool tls_judge_session(const struct tls *t, struct slice der);

/*
 * tls_judge_client: judges the certificates of the client. Reads its Certificate message from t->in before the library
 * does, because in TLS 1.2 it is in the clear. An alert in front of the message is fenced off, so that the library gets
 * the alert alone. ERR_AGAIN: more input is needed.
 */
MUST_USE enum err tls_judge_client(struct tls *t);

/*
 * tls_judge_end: at the end of the handshake, checks that the certificate in use is the judged one, or judges that of a
 * resumed session.
 */
MUST_USE enum err tls_judge_end(struct tls *t);

static inline int mbed_ssl_state(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(state);
}

static inline mbedtls_ssl_session *mbed_ssl_negotiated(mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(session_negotiate);
}

/* mbed_ssl_new_chain: the peer's certificates of the handshake that is going on, or NULL. */
static inline const mbedtls_x509_crt *mbed_ssl_new_chain(mbedtls_ssl_context *ssl)
{
	mbedtls_ssl_session *s = mbed_ssl_negotiated(ssl);

	return s == NULL ? NULL : s->MBEDTLS_PRIVATE(peer_cert);
}

/*
 * mbed_crt_forget_purpose: for our own certificate. The library's server does not show one whose extendedKeyUsage lacks
 * serverAuth, and the purpose of a SIP domain (RFC 5924) is none that it knows.
 */
static inline void mbed_crt_forget_purpose(mbedtls_x509_crt *crt)
{
	crt->MBEDTLS_PRIVATE(ext_types) &= ~MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE;
}

/* mbed_ssl_alert: the code of the alert that the library has just read. */
static inline int mbed_ssl_alert(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(in_msg) == NULL ? -1 : ssl->MBEDTLS_PRIVATE(in_msg)[1];
}

/*
 * mbed_ssl_send_fatal: a fatal alert. A TLS 1.3 client of the library reads with the keys of the handshake when it has
 * the server's certificate, but would still write in the clear, which the server takes for a damaged record: so it
 * writes with the same keys.
 */
static inline void mbed_ssl_send_fatal(mbedtls_ssl_context *ssl, int alert)
{
#if MBED_3
	if (ssl->MBEDTLS_PRIVATE(transform_out) == NULL && ssl->MBEDTLS_PRIVATE(transform_in) != NULL) {
		ssl->MBEDTLS_PRIVATE(transform_out) = ssl->MBEDTLS_PRIVATE(transform_in);
		memset(ssl->MBEDTLS_PRIVATE(cur_out_ctr), 0, sizeof(ssl->MBEDTLS_PRIVATE(cur_out_ctr)));
	}
#endif
#if !MBED_3
	if (ssl->major_ver == 0) { /* no version is agreed on: the record still needs one */
		ssl->major_ver = MBEDTLS_SSL_MAJOR_VERSION_3;
		ssl->minor_ver = MBEDTLS_SSL_MINOR_VERSION_3;
	}
#endif
	/* A refusal of this call changes nothing: the connection ends either way. */
	(void)mbedtls_ssl_send_alert_message(ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, (unsigned char)alert);
}

static inline bool is_static_rsa_suite(int suite)
{
	return suite == MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA || suite == MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256;
}

#endif
