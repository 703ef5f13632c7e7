#include "crypto/tls.h"

#include <mbedtls/ssl.h>

#include "core/mem.h"
#include "crypto/tls_state.h"

/*
 * The judge of the certificate of the peer. The library would check a chain only after it has calculated with every key
 * in it, and a hostile key costs ten thousand times a normal one. So the library is told not to check, and the
 * judgement comes first: sizes and kinds (cert_read), then the chain, dates, purpose, key usage and name.
 *
 *   server's certificates   after the step that reads them, before the next step uses a key
 *   client's certificates   before the library reads them: gather joins the message from its records
 *   resumed session         at the end: dates, purpose and name again, since they may have changed
 */

#define MESSAGE_MAX 16384        /* octets of the Certificate message; the library takes no more */
#define RECORD_MAX (16384 + 256) /* octets of a record in the clear; the library refuses more */
#define RECORDS_MAX 32           /* records that are looked through again with each piece of input */
#define RECORD_HEAD 5            /* octets before the body of a record */

enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, MESSAGE_CERTIFICATE = 11 };

static size_t number(struct slice s, size_t at, size_t octets)
{
	size_t v = 0;

	for (size_t i = 0; i < octets; i++)
		v = v << 8 | (unsigned char)s.p[at + i];
	return v;
}

/* add_name: appends name, printable and cut to 80 octets, because it goes to a log. */
static void add_name(struct buf *out, struct slice name)
{
	if (slice_istarts(name, S("sip:")))
		name = slice_sub(name, 4, name.n);
	for (size_t i = 0; i < name.n && i < 80; i++)
		buf_addc(out, name.p[i] > ' ' && name.p[i] < 0x7f ? name.p[i] : '?');
}

static void list_names(const struct cert *c, struct buf *out)
{
	static const enum cert_name types[] = {CERT_URI, CERT_DNS};
	struct slice name;
	size_t shown = 0;

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; shown < 3 && cert_san(c, types[k], i, &name); i++) {
			buf_adds(out, shown++ == 0 ? "" : ", ");
			add_name(out, name);
		}
	}
	if (shown == 0 && !cert_has_san(c) && cert_common_name(c, &name)) {
		add_name(out, name);
		shown++;
	}
	if (shown == 0)
		buf_adds(out, "no host");
}

static enum err wrong_name(struct tls *t, const struct cert *leaf)
{
	struct buf names = {0};
	enum err e;

	list_names(leaf, &names);
	e = tls_fail(t, MBEDTLS_SSL_ALERT_MSG_BAD_CERT, "the certificate names %s, not %.*s", names.p,
		     t->name.n > 100 ? 100 : (int)t->name.n, t->name.p == NULL ? "" : t->name.p);
	buf_free(&names);
	return e;
}

static bool name_fits(const struct tls *t, const struct cert *leaf)
{
	switch (t->rule) {
	case TLS_NAME_SIP:
		return cert_matches_sip_domain(leaf, t->name);
	case TLS_NAME_WEB:
		break;
	}
	return cert_matches_host(leaf, t->name, true) || cert_matches_ip(leaf, t->name);
}

/*
 * fits_purpose: a domain that connects to another may show the certificate that it shows as a server, unless eku_client
 * is set. Public authorities leave clientAuth out of certificates since 2026, and RFC 5922 7.1 and 7.4 ask for no
 * purpose of a client.
 */
static bool fits_purpose(const struct tls_config *c, const struct cert *leaf)
{
	if (!c->server)
		return cert_purpose_tls(leaf, true, c->eku_strict);
	return cert_purpose_tls(leaf, false, c->eku_strict) ||
	       (!c->eku_client && cert_purpose_tls(leaf, true, c->eku_strict));
}

/*
 * leaf_fault: a fault of the leaf itself, or NULL. Apart from the chain, because a resumed session has this checked
 * again.
 */
static const char *leaf_fault(const struct tls *t, const struct cert *leaf)
{
	bool server = !t->config->server; /* the peer is one */

	if (!fits_purpose(t->config, leaf))
		return server ? "the peer's certificate is not for a TLS server"
			      : "the peer's certificate is not for a TLS client";
	/* With static RSA the client encrypts to the key of the server; with all other suites the peer signs. */
	if (server && is_static_rsa_suite(t->suite)) {
		if (!cert_usage_allows(leaf, CERT_KEY_ENCIPHERMENT))
			return "the key usage of the peer's certificate does not allow key encipherment";
	} else if (!cert_usage_allows(leaf, CERT_DIGITAL_SIGNATURE)) {
		return "the key usage of the peer's certificate does not allow digital signatures";
	}
	return NULL;
}

static enum err wrong_chain(struct tls *t, const struct cert *leaf, enum trust_verdict v, int64_t now)
{
	switch (v) {
	case TRUST_OK:
		break;
	case TRUST_UNTRUSTED:
		if (cert_is_self_signed(leaf))
			return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA,
					"the peer's certificate is self-signed and not among the trusted ones");
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA,
				"the peer's certificate is not signed by a trusted authority");
	case TRUST_EXPIRED:
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED,
				now > cert_not_after(leaf) ? "the peer's certificate has expired"
							   : "an authority's certificate above the peer's has expired");
	case TRUST_NOT_YET:
		return tls_fail(
			t, MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
			now < cert_not_before(leaf)
				? "the peer's certificate is not valid yet; is the clock right?"
				: "an authority's certificate above the peer's is not valid yet; is the clock right?");
	case TRUST_REVOKED:
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED,
				"the peer's certificate, or one above it, was revoked by its authority");
	case TRUST_WEAK:
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT,
				"the peer's certificate or one above it has a key or signature that is too weak");
	case TRUST_CHAIN_TOO_LONG:
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_BAD_CERT, "the peer's certificate chain is too long");
	case TRUST_BAD_USAGE:
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
				"the peer's certificate is signed by one that may not sign certificates");
	}
	return ERR_OK;
}

static enum err judge_leaf(struct tls *t, const struct cert *leaf)
{
	const char *fault = leaf_fault(t, leaf);

	if (fault != NULL)
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT, "%s", fault);
	if (!t->config->server && !name_fits(t, leaf))
		return wrong_name(t, leaf);
	return ERR_OK;
}

static enum err unreadable(struct tls *t, enum err e)
{
	return tls_fail(t,
			e == ERR_UNSUPPORTED ? MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT : MBEDTLS_SSL_ALERT_MSG_BAD_CERT,
			e == ERR_UNSUPPORTED ? "the peer's certificate is of a kind that is not taken"
			: e == ERR_LIMIT     ? "the peer's certificate is too large"
					     : "the peer's certificate cannot be read");
}

/*
 * judge: n >= 1 certificates in DER, leaf first. On success the leaf is kept in t->leaf until the end of the handshake.
 */
static enum err judge(struct tls *t, const struct slice *ders, size_t n)
{
	struct cert *certs[CERT_CHAIN_MAX] = {0};
	int64_t now = t->config->now();
	enum err e = ERR_OK;

	if (n > CERT_CHAIN_MAX)
		return wrong_chain(t, NULL, TRUST_CHAIN_TOO_LONG, now);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		e = cert_read(ders[i], &certs[i]);
		if (e != ERR_OK)
			e = unreadable(t, e);
	}
	if (e == ERR_OK) {
		enum trust_verdict v = TRUST_UNTRUSTED;

		if (t->config->trust != NULL)
			v = trust_check(t->config->trust, certs[0], (const struct cert *const *)certs + 1, n - 1, now,
					false);
		e = wrong_chain(t, certs[0], v, now);
	}
	if (e == ERR_OK)
		e = judge_leaf(t, certs[0]);
	if (e == ERR_OK) {
		t->leaf = certs[0];
		certs[0] = NULL;
	}
	for (size_t i = 0; i < n; i++)
		cert_free(certs[i]);
	return e;
}

enum err tls_judge_server(struct tls *t)
{
	const mbedtls_x509_crt *crt = mbed_ssl_new_chain(&t->ssl);
	struct slice ders[CERT_CHAIN_MAX + 1];
	size_t n = 0;

	for (; crt != NULL && crt->raw.p != NULL && n <= CERT_CHAIN_MAX; crt = crt->next)
		ders[n++] = slice_of(crt->raw.p, crt->raw.len);
	if (n == 0)
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "the server sent no certificate");
	return judge(t, ders, n);
}

/*
 * gather: joins the next handshake message of the input, with its head, from its records into msg. ERR_NOTFOUND:
 * something else than a handshake record comes, which the library will refuse. ERR_AGAIN: records are missing.
 */
static enum err gather(struct slice in, struct buf *msg)
{
	for (size_t records = 0; in.n >= RECORD_HEAD; records++) {
		size_t n = number(in, 3, 2);

		if (in.p[0] != RECORD_HANDSHAKE || n > RECORD_MAX)
			return records == 0 ? ERR_NOTFOUND : ERR_SYNTAX;
		if (n == 0 || records == RECORDS_MAX)
			return ERR_SYNTAX;
		if (in.n < RECORD_HEAD + n)
			return ERR_AGAIN;
		buf_add(msg, slice_sub(in, RECORD_HEAD, RECORD_HEAD + n));
		in = slice_sub(in, RECORD_HEAD + n, in.n);
		if (msg->n < 4)
			continue;
		n = number(buf_slice(msg), 1, 3);
		if (n > MESSAGE_MAX)
			return ERR_SYNTAX;
		if (msg->n >= 4 + n) {
			msg->n = 4 + n;
			return ERR_OK;
		}
	}
	return ERR_AGAIN;
}

/*
 * fence_alert: the library skips a warning alert and reads on, into a message that has not been judged. So a whole
 * alert at the front is given to it alone. true: a fence was set, let the library step.
 */
static bool fence_alert(struct tls *t, struct slice in)
{
	size_t whole;

	if (in.n < RECORD_HEAD || in.p[0] != RECORD_ALERT)
		return false;
	whole = RECORD_HEAD + number(in, 3, 2);
	if (in.n < whole)
		return false;
	t->fence = t->taken + whole;
	return true;
}

/* RFC 5246 7.4.2: a list of certificates, each behind its length in three octets, as is the list. */
static enum err split_list(struct slice msg, struct slice *ders, size_t *n)
{
	*n = 0;
	if (msg.n < 7 || number(msg, 4, 3) != msg.n - 7)
		return ERR_SYNTAX;
	for (msg = slice_sub(msg, 7, msg.n); msg.n > 0;) {
		size_t len;

		if (msg.n < 3)
			return ERR_SYNTAX;
		len = number(msg, 0, 3);
		if (len == 0 || len > msg.n - 3)
			return ERR_SYNTAX;
		if (*n <= CERT_CHAIN_MAX)
			ders[(*n)++] = slice_sub(msg, 3, 3 + len);
		msg = slice_sub(msg, 3 + len, msg.n);
	}
	return ERR_OK;
}

enum err tls_judge_client(struct tls *t)
{
	struct slice ders[CERT_CHAIN_MAX + 1], in;
	struct buf msg = {0};
	size_t n = 0;
	enum err e;

	if (t->leaf != NULL)
		return ERR_OK; /* Judged already; the library waits for the rest of the record. */
	/*
	 * The message must begin with the next record. If the library had some of it in its own buffer, it would read
	 * other octets than are judged here.
	 */
	if (mbedtls_ssl_check_pending(&t->ssl) != 0)
		return tls_fail(t, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE,
				"the peer sent a TLS message out of order");
	in = slice_sub(buf_slice(&t->in), t->taken, t->in.n);
	if (fence_alert(t, in))
		return ERR_OK;
	e = in.n > 0 && in.p[0] == RECORD_ALERT ? ERR_AGAIN : gather(in, &msg);
	if (e == ERR_OK && msg.p[0] != MESSAGE_CERTIFICATE)
		e = ERR_NOTFOUND;
	if (e == ERR_OK)
		e = split_list(buf_slice(&msg), ders, &n);
	switch (e) {
	case ERR_OK:
		if (n > 0)
			e = judge(t, ders, n);
		else if (t->config->client_auth == TLS_CLIENT_REQUIRED)
			e = tls_fail(t, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "the client sent no certificate");
		break;
	case ERR_NOTFOUND:
		e = ERR_OK;
		break;
	case ERR_AGAIN:
		break;
	default:
		e = tls_fail(t, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, "a malformed certificate message");
		break;
	}
	buf_free(&msg);
	return e;
}

/* judge_resumed: the chain was judged when the session was made; the clock and the wanted name may be others now. */
static enum err judge_resumed(struct tls *t, struct slice der)
{
	int64_t now = t->config->now();
	struct cert *leaf;
	enum err e = cert_read(der, &leaf);

	if (e != ERR_OK)
		return unreadable(t, e);
	if (now > cert_not_after(leaf))
		e = wrong_chain(t, leaf, TRUST_EXPIRED, now);
	else if (now < cert_not_before(leaf))
		e = wrong_chain(t, leaf, TRUST_NOT_YET, now);
	else
		e = judge_leaf(t, leaf);
	cert_free(leaf);
	return e;
}

bool tls_judge_session(const struct tls *t, struct slice der)
{
	int64_t now = t->config->now();
	struct cert *leaf;
	bool good;

	if (cert_read(der, &leaf) != ERR_OK)
		return false;
	good = now >= cert_not_before(leaf) && now <= cert_not_after(leaf) && name_fits(t, leaf);
	cert_free(leaf);
	return good;
}

enum err tls_judge_end(struct tls *t)
{
	struct slice peer = tls_peer(t);
	bool same = t->leaf != NULL && slice_eq(cert_der(t->leaf), peer);
	enum err e = ERR_OK;

	if (peer.p == NULL) {
		if (!t->config->server || t->config->client_auth == TLS_CLIENT_REQUIRED)
			e = tls_fail(t, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "the peer sent no certificate");
	} else if (t->full) {
		/*
		 * The octets that were judged must be the octets in use, or the two readers understood the message
		 * differently.
		 */
		if (!same)
			e = tls_fail(t, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR,
				     "the peer's certificate is not the one that was checked");
	} else {
		e = judge_resumed(t, peer);
	}
	cert_free(t->leaf);
	t->leaf = NULL;
	return e;
}
