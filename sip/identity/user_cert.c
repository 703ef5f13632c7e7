#include "sip/identity/user_cert.h"

#include "crypto/rng.h"
#include "sip/message/mime.h"
#include "sip/message/uri.h"

/* What a certificate of a user must be, and how one is made. */

#define CN_MAX 64 /* ub-common-name, RFC 5280 appendix A.1 */
#define KEY_BITS 2048
#define LIFE_S (365 * 86400)
#define LIFE_SPREAD_S (7 * 86400) /* FMT-05: at random, so that not all certificates of a day end on one day */
#define EARLIER_S 300             /* notBefore lies in the past, because the clock of a verifier may be behind */

enum user_cert_fault user_cert_check(const struct cert *c, int64_t now)
{
	if (cert_not_before(c) > now)
		return USER_CERT_NOT_YET;
	if (cert_not_after(c) <= now)
		return USER_CERT_EXPIRED;
	if (cert_is_ca(c))
		return USER_CERT_AUTHORITY;
	return USER_CERT_FINE;
}

const char *user_cert_str(enum user_cert_fault f)
{
	static const char *const texts[] = {[USER_CERT_FINE] = "it is fine",
					    [USER_CERT_NOT_YET] = "the certificate is not valid yet",
					    [USER_CERT_EXPIRED] = "the certificate has expired",
					    [USER_CERT_AUTHORITY] = "the certificate is one of an authority (CA=TRUE)"};

	return texts[f];
}

/* Is name a URI of this AOR? Compared as AORs, so that sips, case and escapes do not matter (T-29). */
static bool has_aor(struct slice name, struct slice aor)
{
	struct buf key = {0};
	struct uri u;
	bool same = uri_parse(name, &u) == ERR_OK && uri_aor(&u, &key) == ERR_OK && slice_eq(buf_slice(&key), aor);

	buf_free(&key);
	return same;
}

bool user_cert_names(const struct cert *c, struct slice aor, bool email)
{
	struct slice name;
	bool found = false;

	for (size_t i = 0; !found && cert_san(c, CERT_URI, i, &name); i++)
		found = has_aor(name, aor);
	for (size_t i = 0; !found && email && cert_san(c, CERT_EMAIL, i, &name); i++) {
		struct buf text = {0};

		buf_adds(&text, "sip:");
		buf_add(&text, name);
		found = has_aor(buf_slice(&text), aor);
		buf_free(&text);
	}
	return found;
}

enum err user_cert_make(struct slice aor, int64_t now, enum hash_alg alg, struct key **key, struct buf *cert)
{
	const struct slice uris[] = {aor, SLICE_NONE};
	const struct cert_params params = {.common_name =
						   slice_sub(aor, sizeof("sip:") - 1, sizeof("sip:") - 1 + CN_MAX),
					   .uris = uris,
					   .not_before = now - EARLIER_S,
					   .not_after = now + LIFE_S - rng_below(LIFE_SPREAD_S),
					   .user = true,
					   .alg = alg};
	enum err e = key_generate(KEY_RSA, KEY_BITS, key);

	if (e == ERR_OK)
		e = cert_make(&params, *key, NULL, *key, cert);
	return e;
}

void user_cert_body(struct slice cert, struct slice key, struct buf *headers, struct buf *body)
{
	struct buf boundary = {0};

	/* 128 random bits occur in no part by chance, and no publisher can write them in advance. */
	rng_hex(&boundary, 16);
	mime_add_part(body, buf_slice(&boundary), "application/pkix-cert", cert);
	if (key.n > 0)
		mime_add_part(body, buf_slice(&boundary), "application/pkcs8", key);
	mime_close(body, buf_slice(&boundary));
	buf_addf(headers, "Content-Type: multipart/mixed;boundary=%s\r\n", boundary.p);
	buf_free(&boundary);
}
