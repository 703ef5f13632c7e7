#include "sip/identity/identity.h"

#include "crypto/encode.h"
#include "crypto/key.h"
#include "sip/message/date.h"
#include "sip/message/edit.h"
#include "sip/message/header.h"

/* Reads and writes the two header fields of RFC 4474 9. */

#define SIGNATURE_MAX (2 * KEY_SIG_MAX) /* octets; a longer one is of no key that is accepted here */

static bool is_quoted(struct slice value)
{
	return slice_starts(value, S("\""));
}

/*
 * is_rfc8224: is value of the form signed-identity-digest SEMI ident-info (RFC 8224 4)? It is known by its parameter
 * "info", which does the work of Identity-Info. The value of that parameter is a URI in <>, which is no parameter value
 * of RFC 3261, so only the names of the parameters are parsed.
 */
static bool is_rfc8224(struct slice value)
{
	size_t at = slice_chr(value, ';');

	if (slice_chr(slice_sub(value, 0, at), '"') < at)
		return false;
	while (at < value.n) {
		struct slice name = scan_skip(slice_sub(value, at + 1, value.n));

		if (slice_ieq(scan_token(&name), S("info")) && slice_starts(scan_skip(name), S("=")))
			return true;
		at += 1 + slice_chr(slice_sub(value, at + 1, value.n), ';');
	}
	return false;
}

/* decode: appends the signature that a quoted value holds. On a fault sig is cut back to what it was. */
static enum identity_fault decode(struct slice value, struct buf *sig)
{
	struct slice inner;
	size_t before = sig->n;

	if (!scan_quoted(&value, &inner) || scan_skip(value).n > 0)
		return IDENTITY_MALFORMED;
	if (base64_decode(sig, inner) != ERR_OK)
		return IDENTITY_EMPTY;
	if (sig->n > before && sig->n - before <= SIGNATURE_MAX)
		return IDENTITY_FINE;
	sig->n = before;
	return IDENTITY_EMPTY;
}

bool identity_is_there(const struct sip_msg *m)
{
	for (const struct sip_header *h = NULL; (h = msg_each(m, HDR_IDENTITY, h)) != NULL;)
		if (is_quoted(h->value))
			return true;
	return false;
}

enum identity_fault identity_read(const struct sip_msg *m, struct buf *sig)
{
	const struct sip_header *quoted = NULL;
	enum identity_fault fault = IDENTITY_ABSENT;

	for (const struct sip_header *h = NULL; (h = msg_each(m, HDR_IDENTITY, h)) != NULL;) {
		/*
		 * A malformed value outweighs one of RFC 8224 when there is no quoted one: it gets the stricter text.
		 */
		if (is_quoted(h->value)) {
			if (quoted != NULL)
				return IDENTITY_SEVERAL;
			quoted = h;
		} else if (fault != IDENTITY_MALFORMED) {
			fault = is_rfc8224(h->value) ? IDENTITY_RFC8224 : IDENTITY_MALFORMED;
		}
	}
	return quoted != NULL ? decode(quoted->value, sig) : fault;
}

const char *identity_fault_str(enum identity_fault f)
{
	switch (f) {
	case IDENTITY_FINE:
		break;
	case IDENTITY_ABSENT:
		return "there is no Identity header field: nobody vouches for From";
	case IDENTITY_RFC8224:
		return "the Identity header field is a token without quotes, as RFC 8224 has it, not the quoted string "
		       "of RFC 4474";
	case IDENTITY_SEVERAL:
		return "there are several quoted Identity header fields, and only one may be there";
	case IDENTITY_MALFORMED:
		return "the Identity header field is not the quoted string of RFC 4474";
	case IDENTITY_EMPTY:
		return "the Identity header field holds no signature";
	}
	return "fine";
}

unsigned identity_fault_code(enum identity_fault f)
{
	switch (f) {
	case IDENTITY_FINE:
		break;
	case IDENTITY_ABSENT:
		return 428;
	case IDENTITY_RFC8224:
	case IDENTITY_SEVERAL:
	case IDENTITY_MALFORMED:
		return 436;
	case IDENTITY_EMPTY:
		return 438;
	}
	return 0;
}

/* Appends m with lines inserted in front of the blank line that ends its header. */
static enum err add_last(const struct sip_msg *m, const struct buf *lines, struct buf *out)
{
	struct edit_list edits;
	enum err e;

	edit_start(&edits, m);
	e = edit_insert(&edits, NULL, buf_slice(lines));
	if (e == ERR_OK)
		edit_apply(&edits, out);
	return e;
}

enum err identity_add(const struct sip_msg *m, struct slice sig, const char *url, enum hash_alg alg, struct buf *out)
{
	struct buf lines = {0};
	enum err e;

	buf_adds(&lines, "Identity: \"");
	base64_encode(&lines, sig);
	buf_addf(&lines, "\"\r\nIdentity-Info: <%s>;alg=%s\r\n", url, identity_alg_name(alg));
	e = add_last(m, &lines, out);
	buf_free(&lines);
	return e;
}

enum err identity_complete(const struct sip_msg *m, int64_t date_s, struct buf *out)
{
	char date[DATE_SIZE];
	struct buf lines = {0};
	enum err e;

	date_format(date_s, date);
	if (msg_value(m, HDR_DATE).p == NULL)
		buf_addf(&lines, "Date: %s\r\n", date);
	if (msg_value(m, HDR_CONTENT_LENGTH).p == NULL)
		buf_addf(&lines, "Content-Length: %zu\r\n", m->body.n);
	e = add_last(m, &lines, out);
	buf_free(&lines);
	return e;
}

enum err identity_info_parse(struct slice s, struct slice *url, struct slice *alg)
{
	struct param p;
	size_t end;

	s = slice_trim(s);
	if (s.n == 0 || s.p[0] != '<')
		return ERR_SYNTAX;
	end = slice_chr(s, '>');
	if (end == s.n || end < 2 || !scan_params_check(scan_skip(slice_sub(s, end + 1, s.n))))
		return ERR_SYNTAX;
	*url = slice_sub(s, 1, end);
	*alg = scan_param_find(scan_skip(slice_sub(s, end + 1, s.n)), S("alg"), &p) ? p.value : SLICE_NONE;
	return ERR_OK;
}

bool identity_alg(struct slice name, enum hash_alg *out)
{
	bool sha1 = slice_ieq(name, S("rsa-sha1"));

	if (!sha1 && !slice_ieq(name, S("rsa-sha256")))
		return false;
	*out = sha1 ? HASH_SHA1 : HASH_SHA256;
	return true;
}

const char *identity_alg_name(enum hash_alg alg)
{
	return alg == HASH_SHA1 ? "rsa-sha1" : "rsa-sha256";
}
