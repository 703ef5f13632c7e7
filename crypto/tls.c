#include "crypto/tls.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl.h>

#include "core/mem.h"
#include "crypto/tls_state.h"

/*
 * A connection between buffers: on_send and on_receive are the whole "network" of the library. The handshake is driven
 * step by step, because the certificates of the peer are judged between two steps (tls_peer.c).
 */

/*
 * mbedTLS before 2.28.10 ignores a failed allocation while it calculates Finished (CVE-2025-27810). Debian builds it
 * without MBEDTLS_PLATFORM_MEMORY, so its failures cannot be counted. Therefore as much memory as a step needs is
 * allocated and given back before each step: when memory is exhausted the process aborts there, as everywhere.
 */
#define STEP_MEMORY 32768

struct tls_session {
	mbedtls_ssl_session saved;
	struct tls_config *config; /* one reference: a session is good only where its certificate was judged */
};

static int on_send(void *arg, const unsigned char *p, size_t n)
{
	struct tls *t = arg;

	buf_add(&t->out, slice_of(p, n));
	return (int)n;
}

static int on_receive(void *arg, unsigned char *p, size_t n)
{
	struct tls *t = arg;
	size_t end = t->fence > 0 && t->fence < t->in.n ? t->fence : t->in.n, left = end - t->taken;

	if (left == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n > left)
		n = left;
	memcpy(p, t->in.p + t->taken, n);
	t->taken += n;
	if (t->taken == t->in.n) {
		/* Most connections are idle most of the time: keep no buffer for them. */
		buf_free(&t->in);
		t->taken = 0;
	}
	return (int)n;
}

static bool is_address(const char *name)
{
	uint8_t octets[16];

	return inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
}

struct tls *tls_new(struct tls_config *c, unsigned slot, struct slice name, enum tls_name_rule rule)
{
	struct tls *t = mem_alloc(sizeof(*t));
	/*
	 * RFC 6066 3: an address is not sent as SNI. set_hostname is called in every case: a missing call was a hole
	 * (CVE-2025-27809).
	 */
	const char *sni = NULL;

	t->config = c;
	tls_config_ref(c);
	t->name = slice_copy(name);
	t->rule = rule;
	t->first = -1;
	mbedtls_ssl_init(&t->ssl);
	if (mbedtls_ssl_setup(&t->ssl, &c->slots[slot].ssl) != 0)
		abort(); /* only for want of memory */
	mbedtls_ssl_set_bio(&t->ssl, t, on_send, on_receive, NULL);
	if (!c->server) {
		if (t->name.n > 0 && !is_address(t->name.p))
			sni = t->name.p;
		if (slice_chr(t->name, '\0') < t->name.n || mbedtls_ssl_set_hostname(&t->ssl, sni) != 0) {
			buf_adds(&t->reason, "the name of the server cannot be a host name");
			t->failed = ERR_CRYPTO;
		}
	}
	return t;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	mbedtls_ssl_free(&t->ssl);
	cert_free(t->leaf);
	slice_drop(&t->name);
	buf_free(&t->in);
	buf_free(&t->out);
	buf_free(&t->reason);
	tls_config_unref(t->config);
	mem_free(t);
}

void tls_input(struct tls *t, struct slice records)
{
	if (t->taken > 0) {
		buf_drop(&t->in, t->taken);
		t->taken = 0;
	}
	if (records.n == 0)
		return;
	if (t->first < 0)
		t->first = (unsigned char)records.p[0];
	buf_add(&t->in, records);
}

/* Keeps the suite that was chosen: the limiter of failed static-RSA handshakes asks for it after a failure. */
static void note_suite(struct tls *t)
{
	const mbedtls_ssl_session *s = mbed_ssl_negotiated(&t->ssl);

	if (s != NULL && s->MBEDTLS_PRIVATE(ciphersuite) != 0)
		t->suite = s->MBEDTLS_PRIVATE(ciphersuite);
}

/* look_at_hello: this library would say to a client of TLS 1.3 that no cipher suite is in common; newer ones know
 * better. */
static enum err look_at_hello(struct tls *t)
{
	enum err e = tls_hello_look(slice_sub(buf_slice(&t->in), t->taken, t->in.n));

	return e != ERR_NOTFOUND
		       ? e
		       : tls_fail(t, MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION,
				  "no TLS version in common (1.3 is asked for, 1.2 is the most of this library)");
}

/* One step of the handshake, with the judgements that belong before and after it. */
static enum err step(struct tls *t)
{
	int before = mbed_ssl_state(&t->ssl), rc;
	bool server = t->config->server, more;
	size_t told;
	enum err e;

	if (before == MBEDTLS_SSL_SERVER_CERTIFICATE)
		t->full = true;
	if (server && before == MBEDTLS_SSL_CLIENT_CERTIFICATE && t->config->client_auth != TLS_CLIENT_OFF) {
		e = tls_judge_client(t);
		if (e != ERR_OK)
			return e;
	}
	if (server && !MBED_3 && before <= MBEDTLS_SSL_CLIENT_HELLO) {
		e = look_at_hello(t);
		if (e != ERR_OK)
			return e;
	}
	mem_free(mem_alloc(STEP_MEMORY));
	told = t->out.n;
	rc = mbedtls_ssl_handshake_step(&t->ssl);
	/*
	 * A fenced alert was read and octets are left behind the fence: go on with the next step instead of waiting for
	 * input.
	 */
	more = t->fence > 0 && t->in.n > t->taken;
	t->fence = 0;
	note_suite(t);
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return more ? ERR_OK : ERR_AGAIN;
	if (rc != 0)
		return tls_fail_library(t, rc, told);
	if (!server && before == MBEDTLS_SSL_SERVER_CERTIFICATE && mbed_ssl_state(&t->ssl) != before)
		return tls_judge_server(t);
	return ERR_OK;
}

enum err tls_handshake(struct tls *t)
{
	enum err e = t->failed;

	if (e != ERR_OK || t->over)
		return e;
	while (mbed_ssl_state(&t->ssl) != MBEDTLS_SSL_HANDSHAKE_OVER) {
		e = step(t);
		if (e != ERR_OK)
			return e;
	}
	e = tls_judge_end(t);
	if (e == ERR_OK)
		t->over = true;
	return e;
}

struct buf *tls_output(struct tls *t)
{
	return &t->out;
}

/* read_some: one piece of at most max octets. ERR_AGAIN when the input holds no whole record. */
static enum err read_some(struct tls *t, struct buf *out, size_t max)
{
	size_t n, told = t->out.n;
	int rc;

	/* Reading 0 octets decrypts the next record, and its size is known then before room for it is made. */
	rc = mbedtls_ssl_read(&t->ssl, NULL, 0);
	if (rc >= 0) {
		n = mbedtls_ssl_get_bytes_avail(&t->ssl);
		if (n > max)
			n = max;
		if (n == 0)
			return ERR_AGAIN;
		rc = mbedtls_ssl_read(&t->ssl, (unsigned char *)buf_reserve(out, n), n);
	}
	if (rc > 0) {
		buf_commit(out, (size_t)rc);
		return ERR_OK;
	}
	if (rc == 0 || rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return ERR_AGAIN;
	return tls_fail_library(t, rc, told);
}

enum err tls_read(struct tls *t, struct buf *out, size_t max)
{
	size_t start = out->n;
	enum err e = t->failed;

	if (e == ERR_OK && !t->over)
		return ERR_AGAIN;
	while (e == ERR_OK && out->n - start < max)
		e = read_some(t, out, max - (out->n - start));
	if (t->out.n == 0)
		buf_free(&t->out);
	/*
	 * Octets that came before an error are delivered first. The error stays in t->failed and is the answer of the
	 * next call.
	 */
	return out->n > start ? ERR_OK : e;
}

enum err tls_write(struct tls *t, struct slice plain)
{
	if (t->failed != ERR_OK)
		return t->failed;
	if (!t->over)
		return ERR_AGAIN;
	while (plain.n > 0) {
		int rc = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.p, plain.n);

		if (rc <= 0)
			return tls_fail_library(t, rc, t->out.n);
		plain = slice_sub(plain, (size_t)rc, plain.n);
	}
	return ERR_OK;
}

void tls_close(struct tls *t)
{
	if (t->over && t->failed == ERR_OK)
		(void)mbedtls_ssl_close_notify(&t->ssl); /* the caller closes the socket in any case */
}

bool tls_resumed(const struct tls *t)
{
	return t->over && !t->full;
}

const char *tls_version(const struct tls *t)
{
	return mbedtls_ssl_get_version(&t->ssl);
}

const char *tls_suite(const struct tls *t)
{
	const char *name = mbedtls_ssl_get_ciphersuite(&t->ssl);

	return name == NULL ? "none" : name;
}

struct slice tls_name(const struct tls *t)
{
	return t->name;
}

bool tls_is_static_rsa(const struct tls *t)
{
	return is_static_rsa_suite(t->suite);
}

struct slice tls_peer(const struct tls *t)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);

	return crt == NULL || crt->raw.p == NULL ? SLICE_NONE : slice_of(crt->raw.p, crt->raw.len);
}

struct tls_session *tls_session_save(struct tls *t)
{
	struct tls_session *s;

	if (t->config->server || !t->over || t->failed != ERR_OK || strcmp(tls_version(t), "TLSv1.2") != 0)
		return NULL;
	s = mem_alloc(sizeof(*s));
	mbedtls_ssl_session_init(&s->saved);
	s->config = t->config;
	tls_config_ref(s->config);
	/* An empty session id: the server keeps no sessions, RFC 5246 7.4.1.3. */
	if (mbedtls_ssl_get_session(&t->ssl, &s->saved) != 0 || s->saved.MBEDTLS_PRIVATE(id_len) == 0) {
		tls_session_free(s);
		return NULL;
	}
	return s;
}

void tls_session_use(struct tls *t, const struct tls_session *s)
{
	const mbedtls_x509_crt *crt;

	if (s == NULL || s->config != t->config || t->over)
		return;
	crt = s->saved.MBEDTLS_PRIVATE(peer_cert);
	/* When the session does not fit, or the library refuses it, the handshake is a full one: nothing to report. */
	if (crt != NULL && tls_judge_session(t, slice_of(crt->raw.p, crt->raw.len)))
		(void)mbedtls_ssl_set_session(&t->ssl, &s->saved);
}

void tls_session_free(struct tls_session *s)
{
	if (s == NULL)
		return;
	mbedtls_ssl_session_free(&s->saved);
	tls_config_unref(s->config);
	mem_free(s);
}
