#include "sip/credential/publish_body.h"

#include <string.h>

#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/message/limits.h"
#include "sip/message/mime.h"
#include "sip/identity/user_cert.h"

/*
 * Reading is lenient (PUB-20, T-16): parts in any order, base64, one level of nesting, stray line ends around the DER.
 * The DER itself is taken octet for octet, because it is given out as it was published (ESC-18).
 */

#define ACCEPT_ALL "Accept: multipart/mixed, application/pkix-cert, application/pkcs8\r\n"
#define ACCEPT_CERT "Accept: application/pkix-cert\r\n"
#define WARN "Warning: 399 vouch "

static const struct refusal fine = {0};

static struct refusal refuse(unsigned code, const char *reason)
{
	return (struct refusal){code, reason, NULL};
}

static struct refusal unsupported_type(void)
{
	return (struct refusal){415, NULL, ACCEPT_ALL};
}

void publish_body_free(struct publish_body *p)
{
	cert_free(p->cert);
	buf_wipe(&p->key);
	*p = (struct publish_body){0};
}

/* The body of a part may end in line ends that belong to no DER. */
static bool only_line_ends(struct slice s)
{
	return slice_trim(s).n == 0;
}

/* T-16: one CR LF may stand in front of the DER. */
static struct slice without_first_line_end(struct slice s)
{
	return slice_starts(s, S("\r\n")) ? slice_sub(s, 2, s.n) : s;
}

/* take_cert: the octets of a part as certificate. The DER says itself how long it is. */
static struct refusal take_cert(struct slice octets, struct publish_body *out)
{
	struct slice der = without_first_line_end(octets);
	size_t n = cert_length(der);

	if (out->cert != NULL)
		return refuse(400, "Two Certificates");
	if (n == 0 || !only_line_ends(slice_sub(der, n, der.n)))
		return refuse(400, "Certificate Is Not DER");
	switch (cert_read(slice_sub(der, 0, n), &out->cert)) {
	case ERR_OK:
		return fine;
	case ERR_UNSUPPORTED:
		return (struct refusal){437, NULL,
					WARN "\"the key of the certificate is too small or of an unknown kind\"\r\n"};
	case ERR_LIMIT:
		return refuse(413, "Certificate Too Large");
	default:
		return refuse(400, "Malformed Certificate");
	}
}

/* take_key: the octets of a part as key, plain or encrypted: its first inner tag tells (FMT-10). */
static struct refusal take_key(struct slice octets, struct publish_body *out)
{
	struct slice der = without_first_line_end(octets);
	size_t n = 0;

	if (out->key.n > 0)
		return refuse(400, "Two Private Keys");
	if (der.n > PKCS8_DER_MAX)
		return refuse(413, "Private Key Too Large");
	if (pkcs8_shape(der, &n) == PKCS8_NONE)
		return refuse(400, "Private Key Is Not PKCS#8 DER");
	if (!only_line_ends(slice_sub(der, n, der.n)))
		return refuse(400, "Octets Behind The Private Key");
	buf_add(&out->key, slice_sub(der, 0, n));
	return fine;
}

static bool is_key(const struct media *m)
{
	return media_is(m, S("application"), S("pkcs8")) || media_is(m, S("application"), S("pkcs8-encrypted"));
}

/*
 * decode: the octets of a part: as they stand, or for base64 decoded into *decoded; *bad: it cannot be decoded. false:
 * another encoding.
 */
static bool decode(const struct mime_part *part, struct buf *decoded, struct slice *octets, bool *bad)
{
	*octets = part->body;
	*bad = false;
	if (part->encoding.p == NULL || slice_ieq(part->encoding, S("binary")) ||
	    slice_ieq(part->encoding, S("8bit")) || slice_ieq(part->encoding, S("7bit")))
		return true;
	if (!slice_ieq(part->encoding, S("base64")))
		return false;
	*bad = base64_decode(decoded, part->body) != ERR_OK;
	*octets = buf_slice(decoded);
	return true;
}

/* take_leaf: a part that is no multipart. One of an unknown type counts only if it is not optional (PUB-19). */
static struct refusal take_leaf(const struct mime_part *part, const struct media *media, struct publish_body *out)
{
	struct buf decoded = {0};
	struct refusal r = fine;
	struct slice octets;
	bool bad;

	if (!media_is(media, S("application"), S("pkix-cert")) && !is_key(media)) {
		if (!disposition_is_optional(part->disposition))
			r = unsupported_type();
		return r;
	}
	if (!decode(part, &decoded, &octets, &bad))
		r = unsupported_type();
	else if (bad)
		r = refuse(400, "Bad Base64 In Body Part");
	else if (is_key(media))
		r = take_key(octets, out);
	else
		r = take_cert(octets, out);
	buf_wipe(&decoded);
	return r;
}

/* Cuts a multipart into its parts. */
static struct refusal cut(struct slice body, const struct media *media, struct mime_part *parts, unsigned *count)
{
	struct slice boundary;

	if (!mime_boundary(media, &boundary))
		return refuse(400, "Multipart Without Boundary");
	if (mime_parse(body, boundary, parts, SIP_PARTS_MAX, count) != ERR_OK)
		return refuse(400, "Malformed Multipart");
	return fine;
}

/*
 * take_parts: takes all parts of one level. A multipart inside is taken by a second call, and none deeper
 * (SIP_MIME_DEPTH).
 */
static struct refusal take_parts(const struct mime_part *parts, unsigned count, struct publish_body *out, bool nested)
{
	for (unsigned i = 0; i < count; i++) {
		struct media media;
		struct refusal r;

		if (parts[i].content_type.p == NULL || media_parse(parts[i].content_type, &media) != ERR_OK)
			return refuse(400, "Body Part Without Content-Type");
		if (slice_ieq(media.type, S("multipart"))) {
			struct mime_part inner[SIP_PARTS_MAX];
			unsigned n;

			if (nested)
				return refuse(400, "Multipart Nested Too Deep");
			r = cut(parts[i].body, &media, inner, &n);
			if (r.code == 0)
				r = take_parts(inner, n, out, true);
		} else {
			r = take_leaf(&parts[i], &media, out);
		}
		if (r.code != 0)
			return r;
	}
	return fine;
}

struct refusal publish_body_read(const struct sip_msg *m, const struct config *c, struct publish_body *out)
{
	struct mime_part parts[SIP_PARTS_MAX];
	struct media media;
	struct refusal r;
	unsigned count;

	if (msg_value(m, HDR_CONTENT_TYPE).p == NULL || media_parse(msg_value(m, HDR_CONTENT_TYPE), &media) != ERR_OK ||
	    (msg_value(m, HDR_CONTENT_ENCODING).n > 0 && !slice_ieq(msg_value(m, HDR_CONTENT_ENCODING), S("identity"))))
		return unsupported_type();
	if (media_is(&media, S("application"), S("pkix-cert")))
		return take_cert(m->body, out);
	if (!media_is(&media, S("multipart"), S("mixed")))
		return unsupported_type();
	r = cut(m->body, &media, parts, &count);
	if (r.code == 0)
		r = take_parts(parts, count, out, false);
	if (r.code == 0 && out->cert == NULL)
		r = refuse(400, "Multipart Without Certificate");
	/* DEP-02: in style 1 no key is taken. */
	if (r.code == 0 && out->key.n > 0 && c->credential_style == STYLE_1)
		r = (struct refusal){415, NULL, ACCEPT_CERT};
	return r;
}

/* check_key: an encrypted key cannot be compared with the certificate, a plain one must belong to it (PUB-18). */
static struct refusal check_key(const struct publish_body *p, const struct config *c)
{
	size_t n;

	if (p->key.n == 0 || pkcs8_shape(buf_slice(&p->key), &n) == PKCS8_ENCRYPTED)
		return fine;
	if (c->credential_style == STYLE_2)
		return refuse(403, "Private Key Must Be Encrypted");
	switch (pkcs8_matches(buf_slice(&p->key), cert_spki(p->cert))) {
	case ERR_OK:
		return fine;
	case ERR_CRYPTO:
		return refuse(400, "Private Key Does Not Match Certificate");
	default:
		return refuse(400, "Malformed Private Key");
	}
}

static const char *const warnings[] = {
	[USER_CERT_NOT_YET] = WARN "\"the certificate is not valid yet\"\r\n",
	[USER_CERT_EXPIRED] = WARN "\"the certificate has expired\"\r\n",
	[USER_CERT_AUTHORITY] = WARN "\"the certificate is one of an authority (CA=TRUE)\"\r\n",
};

struct refusal publish_body_check(const struct publish_body *p, const struct config *c, struct slice aor, int64_t now)
{
	enum user_cert_fault fault = user_cert_check(p->cert, now);

	if (c->credential_check_san && !user_cert_names(p->cert, aor, c->credential_san_email))
		return refuse(403, "SubjectAltName Mismatch");
	if (fault != USER_CERT_FINE)
		return (struct refusal){437, NULL, warnings[fault]};
	if (cert_key_kind(p->cert) == KEY_RSA && cert_key_bits(p->cert) < c->credential_min_rsa_bits)
		return (struct refusal){437, NULL, WARN "\"the key of the certificate is too small\"\r\n"};
	return check_key(p, c);
}
