#include "sip/ua/answer.h"

#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/message/header.h"

/* The computation of RFC 7616 3.4, as in access/auth.c, but from the password. */

void answer_drop(struct answer *a)
{
	mem_free(a->realm);
	mem_free(a->nonce);
	mem_free(a->opaque);
	*a = (struct answer){0};
}

/* known_algorithm: RFC 8760 2.4: challenges with unknown algorithms are passed over. Without a name it is MD5. */
static bool known_algorithm(struct slice name, enum hash_alg *out)
{
	if (name.p != NULL && slice_ieq(name, S("SHA-256")))
		*out = HASH_SHA256;
	else if (name.p == NULL || slice_ieq(name, S("MD5")))
		*out = HASH_MD5;
	else
		return false;
	return true;
}

bool answer_take(struct answer *a, const struct sip_msg *response, struct slice realm, enum hash_alg least, bool *stale)
{
	enum header id = response->status == 407 ? HDR_PROXY_AUTHENTICATE : HDR_WWW_AUTHENTICATE;

	for (const struct sip_header *h = msg_each(response, id, NULL); h != NULL; h = msg_each(response, id, h)) {
		struct digest_params d;
		enum hash_alg alg;

		/*
		 * Without qop there is no cnonce, and a forged server could choose everything that is hashed (DIG-04).
		 */
		if (digest_params_parse(h->value, &d) != ERR_OK || d.realm.p == NULL ||
		    (realm.p != NULL && !slice_ieq(d.realm, realm)) || d.nonce.n == 0 ||
		    !known_algorithm(d.algorithm, &alg) || (least == HASH_SHA256 && alg == HASH_MD5) ||
		    !(scan_list_has(d.qop, S("auth")) || scan_list_has(d.qop, S("auth-int"))))
			continue;
		answer_drop(a);
		a->realm = slice_dup(d.realm);
		a->nonce = slice_dup(d.nonce);
		a->opaque = d.opaque.p != NULL ? slice_dup(d.opaque) : NULL;
		a->alg = alg;
		a->proxy = response->status == 407;
		a->with_body = scan_list_has(d.qop, S("auth-int"));
		*stale = *stale || slice_ieq(d.stale, S("true"));
		return true;
	}
	return false;
}

/* response_of: RFC 7616 3.4.1. The body is part of A2 only with auth-int. */
static void response_of(const struct answer *a, const struct answer_request *r, struct slice nc, struct slice cnonce,
			struct slice qop, char out[2 * HASH_MAX + 1])
{
	const struct slice colon = S(":");
	const struct slice a1[5] = {r->user, colon, slice_str(a->realm), colon, r->password};
	char ha1[2 * HASH_MAX + 1], ha2[2 * HASH_MAX + 1], body[2 * HASH_MAX + 1];
	struct slice a2[5] = {r->method, colon, r->uri, colon, SLICE_NONE};

	hash_hex(a->alg, a1, 5, ha1);
	hash_hex(a->alg, &r->body, 1, body);
	a2[4] = slice_str(body);
	hash_hex(a->alg, a2, a->with_body ? 5 : 3, ha2);
	const struct slice all[11] = {
		slice_str(ha1), colon,         slice_str(a->nonce), colon, nc, colon, cnonce, colon, qop,
		colon,          slice_str(ha2)};

	hash_hex(a->alg, all, 11, out);
	mem_wipe(ha1, sizeof(ha1));
}

/* Each answer has a nonce count of its own, and a cnonce of 128 random bits. */
void answer_make(struct answer *a, const struct answer_request *r, struct buf *out)
{
	struct slice qop = a->with_body ? S("auth-int") : S("auth");
	struct buf nc = {0}, cnonce = {0};
	char response[2 * HASH_MAX + 1];

	buf_addf(&nc, "%08x", ++a->count);
	rng_hex(&cnonce, 16);
	response_of(a, r, buf_slice(&nc), buf_slice(&cnonce), qop, response);
	buf_addf(out, "%s: Digest username=\"%.*s\", realm=\"%s\", nonce=\"%s\", uri=\"%.*s\", response=\"%s\", ",
		 a->proxy ? "Proxy-Authorization" : "Authorization", SLICE_ARG(r->user), a->realm, a->nonce,
		 SLICE_ARG(r->uri), response);
	buf_addf(out, "algorithm=%s, cnonce=\"%s\", qop=%.*s, nc=%s", a->alg == HASH_SHA256 ? "SHA-256" : "MD5",
		 cnonce.p, SLICE_ARG(qop), nc.p);
	if (a->opaque != NULL)
		buf_addf(out, ", opaque=\"%s\"", a->opaque);
	buf_adds(out, "\r\n");
	buf_free(&nc);
	buf_free(&cnonce);
}
