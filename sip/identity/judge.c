#include "sip/identity/judge.h"

#include <stdarg.h>
#include <stdio.h>

#include "sip/identity/web_url.h"

/*
 * The steps of RFC 4474 6, in their order. A step that fails calls refuse with the status of RFC 4474 14; a fault of
 * the syntax that all of SIP shares is 400.
 */

/* refuse: keeps why a step has failed, and returns false for it. */
static bool refuse(struct judge *j, unsigned code, const char *reason, const char *fmt, ...) PRINTF_LIKE(4, 5);

static bool refuse(struct judge *j, unsigned code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	j->code = code;
	j->reason = reason;
	va_start(ap, fmt);
	vsnprintf(j->text, sizeof(j->text), fmt, ap);
	va_end(ap);
	return false;
}

/* Octets of the request for %.*s, cut so that judge.text has room for the words around them. */
#define CUT(s) ((s).n < 150 ? (int)(s).n : 150), (s).p

/* --- the request --- */

static bool step_identity(struct judge *j)
{
	if (j->m->method == METHOD_CANCEL)
		return refuse(j, 428, NULL,
			      "a CANCEL never carries Identity (RFC 4474 9): what stands there is ignored");
	j->identity = identity_read(j->m, &j->sig);
	return j->identity == IDENTITY_FINE ||
	       refuse(j, identity_fault_code(j->identity), NULL, "%s", identity_fault_str(j->identity));
}

static bool step_info(struct judge *j)
{
	struct slice s = msg_value(j->m, HDR_IDENTITY_INFO), url, alg;
	struct web_url parts;
	bool web;

	if (s.p == NULL)
		return refuse(j, 436, NULL, "there is no Identity-Info: no certificate to check with");
	if (msg_count(j->m, HDR_IDENTITY_INFO) > 1)
		return refuse(j, 400, "Duplicate Header Field", "there are several, and only one may be there");
	if (identity_info_parse(s, &url, &alg) != ERR_OK)
		return refuse(j, 436, NULL, "it is not as in <https://example.com/cert.cer>;alg=rsa-sha1");
	/* url and alg are kept even when this step fails: "vouch verify" goes on with what was found. */
	web = web_url_parse(url, &parts);
	if (web)
		j->url = url;
	j->has_alg = alg.n > 0 && identity_alg(alg, &j->alg);
	if (!web)
		return refuse(j, 436, NULL, "%.*s is no http or https URL", CUT(url));
	if (alg.n == 0)
		return refuse(j, 436, NULL, "it names no algorithm; expected ;alg=rsa-sha1 behind the URL");
	/*
	 * RFC 4474 names no status for an unknown algorithm. 437 is nearest: the certificate cannot be used (VER-12).
	 */
	return j->has_alg ||
	       refuse(j, 437, NULL, "the algorithm %.*s is unknown; expected rsa-sha1 or rsa-sha256", CUT(alg));
}

/* Without Date there is no digest-string (RFC 4474 9); neither is there one that would be ambiguous. */
static bool step_string(struct judge *j)
{
	enum err e = digest_string(j->m, &j->string);

	j->has_string = e == ERR_OK;
	return j->has_string ||
	       refuse(j, 400, e == ERR_NOTFOUND ? "Missing Date Header Field" : "Bad Date Or Contact Header Field",
		      "%s", digest_string_fault(j->m));
}

static bool step_from(struct judge *j)
{
	if (j->m->from.uri.scheme != URI_OTHER)
		j->domain = uri_domain(&j->m->from.uri);
	return j->domain.n > 0 || refuse(j, 437, NULL, "From is no SIP URI: no domain vouches for it");
}

/* --- the certificate --- */

static bool step_certificate(struct judge *j)
{
	switch (cert_read(j->der, &j->cert)) {
	case ERR_OK:
		return true;
	case ERR_UNSUPPORTED:
		return refuse(j, 437, NULL,
			      "what %.*s holds is a certificate of a kind that is not taken, as with an RSA key under "
			      "1024 bits or an unknown critical extension",
			      CUT(j->source));
	default:
		return refuse(j, 436, NULL, "what %.*s holds is not a DER certificate", CUT(j->source));
	}
}

/*
 * The chain counts at the time of the clock, not of Date: a certificate that has expired or was revoked since must not
 * vouch. LIFE asks about Date.
 */
static bool step_chain(struct judge *j)
{
	j->chain = trust_check(j->trust, j->cert, NULL, 0, j->now_s, false);
	return j->chain == TRUST_OK ||
	       refuse(j, 437, NULL, "the domain certificate cannot be trusted: %s",
		      j->chain == TRUST_UNTRUSTED && cert_is_self_signed(j->cert) ? "it is self-signed"
										  : trust_str(j->chain));
}

/* RFC 4474 6 step 2 and 13.4: the subject of the certificate has to be the domain of From itself. */
static bool step_authority(struct judge *j)
{
	return cert_matches_host(j->cert, j->domain, j->wildcard) ||
	       refuse(j, 437, NULL, "the domain certificate is not for %.*s, the domain of From", CUT(j->domain));
}

static bool step_key(struct judge *j)
{
	return cert_key_kind(j->cert) == KEY_RSA || refuse(j, 437, NULL, "the certificate has no RSA key");
}

static bool step_usage(struct judge *j)
{
	return cert_usage_allows(j->cert, CERT_DIGITAL_SIGNATURE) ||
	       refuse(j, 437, NULL, "the key usage of the certificate allows no signatures");
}

static bool step_signature(struct judge *j)
{
	uint8_t digest[HASH_MAX];
	struct key *key;
	bool fits;

	if (cert_public_key(j->cert, &key) != ERR_OK)
		return refuse(j, 437, NULL, "the key of the certificate cannot be used");
	hash_parts(j->alg, j->string.parts, DIGEST_STRING_PARTS, digest);
	fits = key_verify(key, j->alg, digest, buf_slice(&j->sig)) == ERR_OK;
	key_free(key);
	return fits ||
	       refuse(j, 438, NULL, "the signature does not fit the message: it was changed on its way, or forged");
}

/* --- Date --- */

/* RFC 4474 13.1: an old Date bounds for how long a replay has to be remembered (replay.h). */
static bool step_date(struct judge *j)
{
	int64_t off = j->string.date_s - j->now_s;

	return (off >= -(int64_t)j->date_skew_s && off <= j->date_skew_s) ||
	       refuse(j, 403, "Stale Date", "Date is %lld seconds off the clock here, and %u are allowed",
		      (long long)off, j->date_skew_s);
}

static bool step_life(struct judge *j)
{
	int64_t date = j->string.date_s;

	return (date >= cert_not_before(j->cert) && date <= cert_not_after(j->cert)) ||
	       refuse(j, 437, NULL, "at Date the certificate was not valid");
}

bool judge_step(struct judge *j, enum judge_step step)
{
	switch (step) {
	case JUDGE_IDENTITY:
		return step_identity(j);
	case JUDGE_INFO:
		return step_info(j);
	case JUDGE_STRING:
		return step_string(j);
	case JUDGE_FROM:
		return step_from(j);
	case JUDGE_CERTIFICATE:
		return step_certificate(j);
	case JUDGE_CHAIN:
		return step_chain(j);
	case JUDGE_AUTHORITY:
		return step_authority(j);
	case JUDGE_KEY:
		return step_key(j);
	case JUDGE_USAGE:
		return step_usage(j);
	case JUDGE_SIGNATURE:
		return step_signature(j);
	case JUDGE_DATE:
		return step_date(j);
	case JUDGE_LIFE:
		break;
	}
	return step_life(j);
}

bool judge_steps(struct judge *j, enum judge_step first, enum judge_step last)
{
	for (enum judge_step s = first; s <= last; s++)
		if (!judge_step(j, s))
			return false;
	return true;
}

void judge_drop(struct judge *j)
{
	buf_free(&j->sig);
	cert_free(j->cert);
	j->cert = NULL;
}
