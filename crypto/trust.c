#include "crypto/cert.h"

#include <stdatomic.h>
#include <string.h>

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include "core/mem.h"
#include "crypto/cert_state.h"
#include "crypto/encode.h"
#include "crypto/mbed.h"

/*
 * Trust anchors and paths. mbedTLS walks the path and verifies signatures; what it says is corrected in three points:
 *
 * - it looks at the clock of the system, and we judge at a given time: see judge_one;
 * - it looks for issuers only behind the certificate at hand: see parse_all;
 * - it has one answer for several faults: see why_untrusted.
 */

struct trust {
	atomic_uint refs;
	mbedtls_x509_crt list; /* as the library wants anchors; an empty list when count is 0 */
	mbedtls_x509_crl crl;  /* revocation lists; only read while certificates are checked */
	struct cert **anchors; /* the same ones in our form */
	size_t count;
};

struct trust *trust_new(void)
{
	struct trust *t = mem_alloc(sizeof(*t));

	atomic_init(&t->refs, 1);
	mbedtls_x509_crt_init(&t->list);
	mbedtls_x509_crl_init(&t->crl);
	return t;
}

struct trust *trust_ref(struct trust *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void trust_unref(struct trust *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	mbedtls_x509_crt_free(&t->list);
	mbedtls_x509_crl_free(&t->crl);
	for (size_t i = 0; i < t->count; i++)
		cert_free(t->anchors[i]);
	mem_free(t->anchors);
	mem_free(t);
}

/*
 * warm_up: makes the group of an EC anchor read-only for what follows. mbedTLS 2.28 keeps a table of multiples of the
 * base point in the group and fills it at the first use; several threads use the anchors, so it is filled here, by one.
 */
static bool warm_up(mbedtls_x509_crt *crt)
{
	mbedtls_ecp_point q;
	mbedtls_mpi d;
	bool ok;

	if (!mbedtls_pk_can_do(&crt->pk, MBEDTLS_PK_ECKEY))
		return true;
	mbedtls_ecp_point_init(&q);
	mbedtls_mpi_init(&d);
	ok = mbedtls_ecp_gen_keypair(mbed_ec_group(mbedtls_pk_ec(crt->pk)), &d, &q, rng_mbedtls, NULL) == 0;
	mbedtls_ecp_point_free(&q);
	mbedtls_mpi_free(&d);
	return ok;
}

enum err trust_add_der(struct trust *t, struct slice der)
{
	mbedtls_x509_crt *last = &t->list;
	struct cert *c;
	enum err e = cert_read(der, &c);

	if (e != ERR_OK)
		return e;
	if (mbedtls_x509_crt_parse_der(&t->list, (const unsigned char *)der.p, der.n) != 0) {
		cert_free(c);
		return ERR_SYNTAX;
	}
	while (last->next != NULL)
		last = last->next;
	if (!warm_up(last)) {
		cert_free(c);
		return ERR_CRYPTO;
	}
	t->anchors = mem_resize(t->anchors, (t->count + 1) * sizeof(*t->anchors));
	t->anchors[t->count++] = c;
	return ERR_OK;
}

enum err trust_add_pem(struct trust *t, struct slice text, size_t *count)
{
	static const char *const labels[] = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", NULL};
	struct buf der = {0};
	const char *label;
	size_t pos = 0, n = 0;
	enum err e;

	for (;;) {
		buf_clear(&der);
		e = pem_read(text, labels, &pos, &label, &der);
		if (e != ERR_OK)
			break;
		e = trust_add_der(t, buf_slice(&der));
		if (e == ERR_OK)
			n++;
		else if (e != ERR_UNSUPPORTED && e != ERR_LIMIT)
			break;
	}
	buf_free(&der);
	if (e != ERR_NOTFOUND)
		return e;
	*count = n;
	return ERR_OK;
}

enum err trust_add_crl(struct trust *t, struct slice text)
{
	static const char *const labels[] = {"X509 CRL", NULL};
	struct buf der = {0};
	const char *label;
	size_t pos = 0, n = 0;
	enum err e;

	while ((e = pem_read(text, labels, &pos, &label, &der)) == ERR_OK) {
		if (mbedtls_x509_crl_parse_der(&t->crl, (const unsigned char *)der.p, der.n) != 0) {
			e = ERR_SYNTAX;
			break;
		}
		buf_clear(&der);
		n++;
	}
	buf_free(&der);
	return e == ERR_NOTFOUND && n > 0 ? ERR_OK : e;
}

const char *trust_str(enum trust_verdict v)
{
	switch (v) {
	case TRUST_OK:
		return "trusted";
	case TRUST_UNTRUSTED:
		return "not signed by a trusted authority";
	case TRUST_EXPIRED:
		return "expired";
	case TRUST_NOT_YET:
		return "not valid yet";
	case TRUST_WEAK:
		return "a key or signature algorithm that is too weak";
	case TRUST_CHAIN_TOO_LONG:
		return "a chain of too many certificates";
	case TRUST_BAD_USAGE:
		return "signed by a certificate that may not sign certificates";
	case TRUST_REVOKED:
		return "revoked by its authority";
	}
	return "unknown";
}

/* What judge_one collects while the library walks the path, from the anchor down to the leaf. */
struct walk {
	int64_t now;
	int deepest;
	bool expired;
	bool not_yet;
};

static int64_t library_time(const mbedtls_x509_time *t)
{
	return cert_civil_s(t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

int64_t trust_crl_end(const struct trust *t)
{
	int64_t end = INT64_MAX;

	/* A list without nextUpdate has the year 0. */
	for (const mbedtls_x509_crl *l = &t->crl; l != NULL && l->version != 0; l = l->next)
		if (l->next_update.year != 0 && library_time(&l->next_update) < end)
			end = library_time(&l->next_update);
	return end;
}

/*
 * judge_one: called for each certificate of the path. The library compares dates with the clock of the system; its
 * result is dropped, and the dates are compared with our now.
 */
static int judge_one(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct walk *w = arg;

	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE); /* see trust_add_crl */
	w->expired |= w->now > library_time(&crt->valid_to);
	w->not_yet |= w->now < library_time(&crt->valid_from);
	if (depth > w->deepest)
		w->deepest = depth;
	return 0;
}

/* RFC 5280 6.1.4 (k) to (n): basicConstraints, path length, keyUsage. below: how many CA certificates lie under it. */
static bool may_sign(const struct cert *issuer, size_t below)
{
	return issuer->ca && (!issuer->has_usage || (issuer->usage & CERT_USAGE_CERT_SIGN) != 0) &&
	       (!issuer->has_path_length || below <= issuer->path_length);
}

/*
 * why_untrusted: the library says "no path" for each of these verdicts. Follows the names up from the leaf, without
 * arithmetic, to tell an operator which one it is. below counts the CA certificates under the one that is looked for;
 * it bounds the loop where names go in a circle.
 */
static enum trust_verdict why_untrusted(const struct trust *t, const struct cert *leaf, const struct cert *const *chain,
					size_t n)
{
	const struct cert *at = leaf;

	for (size_t below = 0; below < CERT_CHAIN_MAX; below++) {
		const struct cert *next = NULL;
		bool named = false;

		for (size_t i = 0; i < t->count + n; i++) {
			const struct cert *c = i < t->count ? t->anchors[i] : chain[i - t->count];

			if (c == at || !slice_eq(c->subject, at->issuer))
				continue;
			named = true;
			if (next == NULL && may_sign(c, below))
				next = c;
		}
		if (next == NULL)
			return named ? TRUST_BAD_USAGE : TRUST_UNTRUSTED;
		if (slice_eq(next->subject, next->issuer))
			return TRUST_UNTRUSTED;
		at = next;
	}
	return TRUST_CHAIN_TOO_LONG;
}

static enum trust_verdict verdict_of(const struct walk *w, uint32_t flags)
{
	if (w->deepest >= CERT_CHAIN_MAX)
		return TRUST_CHAIN_TOO_LONG;
	if ((flags & MBEDTLS_X509_BADCERT_REVOKED) != 0)
		return TRUST_REVOKED;
	if ((flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)) != 0)
		return TRUST_WEAK;
	if (flags != 0)
		return TRUST_UNTRUSTED;
	if (w->expired)
		return TRUST_EXPIRED;
	return w->not_yet ? TRUST_NOT_YET : TRUST_OK;
}

/*
 * parse_all: puts leaf and offered certificates into list, each behind one that it may have signed, because the library
 * looks for an issuer only behind the certificate at hand. Certificates that are nobody's issuer are left out.
 */
static bool parse_all(mbedtls_x509_crt *list, const struct cert *leaf, const struct cert *const *chain, size_t n)
{
	const struct cert *order[CERT_CHAIN_MAX] = {leaf};
	bool used[CERT_CHAIN_MAX] = {false};
	size_t count = 1;

	for (size_t at = 0; at < count; at++) {
		for (size_t i = 0; i < n; i++) {
			if (!used[i] && slice_eq(chain[i]->subject, order[at]->issuer)) {
				used[i] = true;
				order[count++] = chain[i];
			}
		}
		if (mbedtls_x509_crt_parse_der(list, (const unsigned char *)order[at]->der.p, order[at]->der.n) != 0)
			return false;
	}
	return true;
}

enum trust_verdict trust_check(const struct trust *t, const struct cert *leaf, const struct cert *const *chain,
			       size_t n, int64_t now, bool sha1)
{
	const mbedtls_x509_crt_profile profile = {
		.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
			       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512) |
			       (sha1 ? MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA1) : 0),
		.allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS) |
			       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
		.allowed_curves =
			MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1),
		.rsa_min_bitlen = sha1 ? 1024 : 2048,
	};
	struct walk w = {.now = now};
	enum trust_verdict v;
	mbedtls_x509_crt list, *anchors;
	mbedtls_x509_crl *crl;
	uint32_t flags = 0;
	int rc;

	if (n >= CERT_CHAIN_MAX)
		return TRUST_CHAIN_TOO_LONG;
	/*
	 * Parse into a list of this call alone: the library changes the contexts while it works, and the certificates
	 * are shared by threads.
	 */
	mbedtls_x509_crt_init(&list);
	if (!parse_all(&list, leaf, chain, n)) {
		mbedtls_x509_crt_free(&list);
		return TRUST_UNTRUSTED;
	}
	/*
	 * Anchors and lists are only read, and RSA keys in them are locked by the library. The casts take off const
	 * for its sake.
	 */
	anchors = t->count == 0 ? NULL : (mbedtls_x509_crt *)(uintptr_t)&t->list;
	crl = t->crl.version == 0 ? NULL : (mbedtls_x509_crl *)(uintptr_t)&t->crl;
	rc = mbedtls_x509_crt_verify_with_profile(&list, anchors, crl, &profile, NULL, &flags, judge_one, &w);
	mbedtls_x509_crt_free(&list);
	if (rc != 0 && rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return TRUST_UNTRUSTED;
	v = (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0 ? why_untrusted(t, leaf, chain, n) : verdict_of(&w, flags);
	return v;
}
