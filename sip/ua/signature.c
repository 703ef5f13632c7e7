#include "sip/ua/signature.h"

/* Most failures come from line ends that an editor or a mail program has changed, so these are tried. */

void signature_hash(const struct digest_string *ds, struct slice more, enum hash_alg alg, uint8_t *out)
{
	struct slice parts[DIGEST_STRING_PARTS + 1];

	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
		parts[i] = ds->parts[i];
	parts[DIGEST_STRING_PARTS] = more;
	hash_parts(alg, parts, DIGEST_STRING_PARTS + 1, out);
}

static bool fits(const struct signature_parts *p, struct slice more, enum hash_alg alg, struct key *k)
{
	uint8_t digest[HASH_MAX];

	signature_hash(p->ds, more, alg, digest);
	return key_verify(k, alg, digest, p->sig) == ERR_OK;
}

bool signature_holds(const struct signature_parts *p, struct key *k)
{
	return fits(p, SLICE_NONE, p->alg, k);
}

bool signature_holds_with_tail(const struct signature_parts *p, struct key *k)
{
	return p->tail.n > 0 && fits(p, p->tail, p->alg, k);
}

/* Does the signature hold with another body, everything else as it is? */
static bool fits_body(const struct signature_parts *p, const struct buf *body, struct key *k)
{
	struct digest_string ds = *p->ds;
	struct signature_parts other = *p;

	ds.parts[DIGEST_STRING_PARTS - 1] = buf_slice(body);
	other.ds = &ds;
	return signature_holds(&other, k);
}

/* with_crlf: all octets behind the head, with CR LF for each LF that has no CR. */
static void with_crlf(const struct signature_parts *p, struct buf *out)
{
	const struct slice both[] = {p->ds->parts[DIGEST_STRING_PARTS - 1], p->tail};

	for (unsigned part = 0; part < 2; part++) {
		for (size_t i = 0; i < both[part].n; i++) {
			if (both[part].p[i] == '\n' && (out->n == 0 || out->p[out->n - 1] != '\r'))
				buf_addc(out, '\r');
			buf_addc(out, both[part].p[i]);
		}
	}
}

/*
 * The cheap explanations first. The last ones need the key to have made the signature: key_made looks at the padding,
 * which only the right key brings out.
 */
const char *signature_guess(const struct signature_parts *p, struct key *k)
{
	const char *guess = "another key made it, or it was changed itself: the certificate is not that of the signer";
	struct buf body = {0};

	if (fits(p, SLICE_NONE, p->alg == HASH_SHA1 ? HASH_SHA256 : HASH_SHA1, k))
		return "it fits with the other algorithm: alg in Identity-Info is wrong";
	if (signature_holds_with_tail(p, k))
		return "it fits only together with the octets behind Content-Length: that is too small";
	/* From here on the key is known to be right, so another string must have been signed. */
	if (!key_made(k, p->alg, p->sig))
		return guess;
	guess = "the key of the certificate made it, but over another string: a signed part was changed";
	with_crlf(p, &body);
	if (fits_body(p, &body, k)) {
		guess = "it fits with CR LF at the ends of the lines of the body: they were changed when it was saved";
		goto out;
	}
	buf_adds(&body, "\r\n");
	if (fits_body(p, &body, k)) {
		guess = "it fits with one more CR LF at the end of the body, which was cut off";
		goto out;
	}
	/* Back to the body with CR LF, then without its last line end. */
	body.n -= 2;
	if (body.n >= 2 && slice_ends(buf_slice(&body), S("\r\n"))) {
		body.n -= 2;
		if (fits_body(p, &body, k))
			guess = "it fits without the line end at the end of the body, which was added";
	}
out:
	buf_free(&body);
	return guess;
}

void signature_escape(const struct digest_string *ds, struct buf *out)
{
	for (unsigned part = 0; part < DIGEST_STRING_PARTS; part++) {
		for (size_t i = 0; i < ds->parts[part].n; i++) {
			unsigned char c = (unsigned char)ds->parts[part].p[i];

			if (c == '\r' || c == '\n' || c == '\t')
				buf_addf(out, "\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
			else if (c == '\\')
				buf_adds(out, "\\\\");
			else if (c < 0x20 || c >= 0x7f)
				buf_addf(out, "\\x%02x", c);
			else
				buf_addc(out, (char)c);
		}
	}
}
