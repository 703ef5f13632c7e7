#include "crypto/tls_state.h"

/* Reads what a client offers in its ClientHello (RFC 8446 4.1.2), where the library does not tell a client why it
 * fails. */

#define FIXED 34 /* octets of version and random */
#define TLS_1_2 0x0303

enum { RECORD_HANDSHAKE = 22, MESSAGE_CLIENT_HELLO = 1, EXTENSION_VERSIONS = 43 };

/* take: cuts a number of so many octets off the front of *s. false: there are fewer. */
static bool take(struct slice *s, size_t octets, size_t *v)
{
	if (s->n < octets)
		return false;
	*v = 0;
	for (size_t i = 0; i < octets; i++)
		*v = *v << 8 | (unsigned char)s->p[i];
	*s = slice_sub(*s, octets, s->n);
	return true;
}

/* take_vector: the same with octets behind their length, which has so many octets. */
static bool take_vector(struct slice *s, size_t octets, struct slice *out)
{
	size_t n;

	if (!take(s, octets, &n) || s->n < n)
		return false;
	*out = slice_sub(*s, 0, n);
	*s = slice_sub(*s, n, s->n);
	return true;
}

/* extensions_of: those of a ClientHello in this record. What is in more than one is the library's alone. */
static bool extensions_of(struct slice record, struct slice *out)
{
	struct slice hello, skipped;
	size_t kind;

	if (!take(&record, 1, &kind) || kind != MESSAGE_CLIENT_HELLO || !take_vector(&record, 3, &hello))
		return false;
	hello = slice_sub(hello, FIXED, hello.n);
	return take_vector(&hello, 1, &skipped) && take_vector(&hello, 2, &skipped) &&
	       take_vector(&hello, 1, &skipped) && take_vector(&hello, 2, out);
}

static bool is_newer(struct slice record)
{
	struct slice extensions, body, versions;
	size_t kind, version;

	if (!extensions_of(record, &extensions))
		return false;
	while (take(&extensions, 2, &kind) && take_vector(&extensions, 2, &body)) {
		if (kind != EXTENSION_VERSIONS || !take_vector(&body, 1, &versions))
			continue;
		while (take(&versions, 2, &version))
			if (version <= TLS_1_2)
				return false;
		return true;
	}
	return false;
}

enum err tls_hello_look(struct slice in)
{
	struct slice record = in;
	size_t kind, version, n;

	if (in.n > 0 && in.p[0] != RECORD_HANDSHAKE)
		return ERR_OK;
	if (!take(&record, 1, &kind) || !take(&record, 2, &version) || !take(&record, 2, &n))
		return ERR_AGAIN;
	if (n > MBEDTLS_SSL_IN_CONTENT_LEN) /* the library refuses it */
		return ERR_OK;
	if (record.n < n)
		return ERR_AGAIN;
	return is_newer(slice_sub(record, 0, n)) ? ERR_NOTFOUND : ERR_OK;
}
