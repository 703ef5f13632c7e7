#include <stdlib.h>

#include "sip/identity/fetch.h"
#include "sip/identity/identity.h"
#include "sip/ua/fetch_once.h"
#include "sip/ua/signature.h"
#include "sip/ua/verify_private.h"

#define DATE_SKEW_S 3600 /* RFC 4474 13.1 */

/* --- what the message says --- */

static void step_message(struct verify *v)
{
	const struct sip_msg *m = v->in.m;
	struct slice length = msg_value(m, HDR_CONTENT_LENGTH);
	uint64_t n;

	if (m->defect_code == 0 && v->in.tail.n > 0)
		steps_hold(
			&v->steps, "message",
			"%.*s from %.*s; its body has %zu octets, as Content-Length says, and %zu more follow that a "
			"receiver drops",
			SLICE_ARG(m->method_name), SLICE_ARG(m->from.spec), m->body.n, v->in.tail.n);
	else if (m->defect_code == 0)
		steps_hold(&v->steps, "message", "%.*s from %.*s, with %zu octets of body", SLICE_ARG(m->method_name),
			   SLICE_ARG(m->from.spec), m->body.n);
	else if (length.p != NULL && slice_u64(length, UINT64_MAX, &n) && n > m->body.n)
		steps_fail(&v->steps, "message", m->defect_code, m->defect,
			   "Content-Length says %llu octets and %zu are there: the body was cut, or its line ends were "
			   "changed when it was saved",
			   (unsigned long long)n, m->body.n);
	else
		steps_fail(&v->steps, "message", m->defect_code, m->defect,
			   "a receiver refuses this before it looks for a signature");
}

static void step_identity(struct verify *v)
{
	const struct sip_msg *m = v->in.m;
	enum identity_fault f = identity_read(m, &v->sig);
	unsigned others = msg_count(m, HDR_IDENTITY);

	if (m->method == METHOD_CANCEL)
		steps_fail(&v->steps, "identity", 428, NULL,
			   "a CANCEL never carries Identity (RFC 4474 9): what stands there is ignored");
	else if (f == IDENTITY_RFC8224)
		steps_fail(&v->steps, "identity", identity_fault_code(f), NULL,
			   "%s; it takes a verifier of RFC 8224 (STIR) to check it", identity_fault_str(f));
	else if (f != IDENTITY_FINE)
		steps_fail(&v->steps, "identity", identity_fault_code(f), NULL, "%s", identity_fault_str(f));
	else if (others > 1)
		steps_hold(&v->steps, "identity", "a signature of %zu octets; beside it %u Identity as RFC 8224 has it",
			   v->sig.n, others - 1);
	else
		steps_hold(&v->steps, "identity", "a signature of %zu octets", v->sig.n);
}

static void step_info(struct verify *v)
{
	static const char step[] = "identity-info";
	struct slice s = msg_value(v->in.m, HDR_IDENTITY_INFO), url = SLICE_NONE, alg = SLICE_NONE;
	struct fetch_url parts;

	v->alg_fault = "there is no Identity-Info that names the algorithm";
	if (s.p == NULL) {
		steps_fail(&v->steps, step, 436, NULL, "there is no Identity-Info: no certificate to check with");
		return;
	}
	if (msg_count(v->in.m, HDR_IDENTITY_INFO) > 1) {
		steps_fail(&v->steps, step, 400, "Duplicate Header Field",
			   "there are several, and only one may be there");
		v->alg_fault = "there are several Identity-Info";
		return;
	}
	if (identity_info_parse(s, &url, &alg) != ERR_OK) {
		steps_fail(&v->steps, step, 436, NULL, "it is not as in <https://example.com/cert.cer>;alg=rsa-sha1");
		return;
	}
	if (alg.n > 0 && identity_alg(alg, &v->alg))
		v->alg_fault = NULL;
	if (fetch_url(url, &parts))
		v->url = url;
	if (v->url.p == NULL)
		steps_fail(&v->steps, step, 436, NULL, "%.*s is no http or https URL", SLICE_ARG(url));
	else if (alg.n == 0)
		steps_fail(&v->steps, step, 436, NULL, "it names no algorithm; expected ;alg=rsa-sha1 behind the URL");
	else if (v->alg_fault != NULL)
		steps_fail(&v->steps, step, 437, NULL, "the algorithm %.*s is unknown; expected rsa-sha1 or rsa-sha256",
			   SLICE_ARG(alg));
	else
		steps_hold(&v->steps, step, "%.*s, %s", SLICE_ARG(url), identity_alg_name(v->alg));
}

static void step_string(struct verify *v)
{
	static const char step[] = "signed-parts";
	enum err e = digest_string(v->in.m, &v->ds);

	if (e == ERR_OK) {
		steps_hold(&v->steps, step, "From, To, Call-ID, CSeq, Date%s and the body can be read",
			   v->ds.parts[10].n > 0 ? ", Contact" : "");
		return;
	}
	v->ds_fault = digest_string_fault(v->in.m);
	steps_fail(&v->steps, step, 400,
		   e == ERR_NOTFOUND ? "Missing Date Header Field" : "Bad Date Or Contact Header Field", "%s",
		   v->ds_fault);
}

/* --- the certificate --- */

static void step_certificate(struct verify *v)
{
	static const char step[] = "certificate";
	struct slice from = v->c.cert != NULL ? slice_str(v->c.cert) : v->url;
	char begin[DATE_SIZE], end[DATE_SIZE];
	struct buf why = {0};
	enum err e;

	if (from.p == NULL) {
		steps_open(&v->steps, step, "no URL to fetch it from; --cert FILE gives one");
	} else if (v->c.cert == NULL && !fetch_once(from, v->anchors, &v->der, &why)) {
		steps_fail(&v->steps, step, 436, NULL, "%.*s cannot be fetched: %s; --cert FILE gives another",
			   SLICE_ARG(from), why.p);
	} else if ((e = cert_read(buf_slice(&v->der), &v->cert)) == ERR_UNSUPPORTED) {
		steps_fail(&v->steps, step, 437, NULL,
			   "what %.*s holds is a certificate of a kind that is not taken, as with an RSA key under "
			   "1024 bits or an unknown critical extension",
			   SLICE_ARG(from));
	} else if (e != ERR_OK) {
		steps_fail(&v->steps, step, 436, NULL, "what %.*s holds is not a DER certificate", SLICE_ARG(from));
	} else {
		date_format(cert_not_before(v->cert), begin);
		date_format(cert_not_after(v->cert), end);
		steps_hold(&v->steps, step, "%s%s: %s key of %u bits, valid from %s to %s",
			   v->c.cert != NULL ? "from " : "fetched", v->c.cert != NULL ? v->c.cert : "",
			   cert_key_kind(v->cert) == KEY_RSA ? "RSA" : "EC", cert_key_bits(v->cert), begin, end);
	}
	buf_free(&why);
}

static void step_chain(struct verify *v)
{
	static const char step[] = "chain";
	char now[DATE_SIZE];
	enum trust_verdict t;

	if (v->c.ca == NULL) {
		steps_fail(&v->steps, step, 437, NULL,
			   "nothing says which CAs are trusted: name a PEM file of them with --ca");
		return;
	}
	t = trust_check(v->anchors, v->cert, NULL, 0, v->now, false);
	date_format(v->now, now);
	if (t == TRUST_OK)
		steps_hold(&v->steps, step, "the certificate leads to a CA of %s", v->c.ca);
	else if (t == TRUST_EXPIRED || t == TRUST_NOT_YET)
		steps_fail(&v->steps, step, 437, NULL, "%s at %s; --at sets another time", trust_str(t), now);
	else if (t == TRUST_UNTRUSTED && cert_is_self_signed(v->cert))
		steps_fail(&v->steps, step, 437, NULL, "the certificate is self-signed and not in %s", v->c.ca);
	else
		steps_fail(&v->steps, step, 437, NULL, "%s; the trusted ones are in %s", trust_str(t), v->c.ca);
}

/* The names that count in the certificate, for a person. */
static void names_of(const struct cert *c, struct buf *out)
{
	struct slice name;

	for (int type = CERT_URI; type <= CERT_DNS; type++) {
		for (size_t i = 0; cert_san(c, (enum cert_name)type, i, &name); i++) {
			buf_adds(out, out->n > 0 ? ", " : "");
			report_plain(out, name);
		}
	}
	if (out->n == 0 && cert_common_name(c, &name))
		report_plain(out, name);
	if (out->n == 0)
		buf_adds(out, "nobody");
}

static void step_authority(struct verify *v)
{
	struct slice domain = uri_domain(&v->in.m->from.uri);
	struct buf names = {0};

	names_of(v->cert, &names);
	if (v->in.m->from.uri.scheme == URI_OTHER || domain.n == 0)
		steps_fail(&v->steps, "authority", 437, NULL, "From is no SIP URI: no domain vouches for it");
	else if (cert_matches_host(v->cert, domain, true))
		steps_hold(&v->steps, "authority", "the certificate is for %.*s, the domain of From",
			   SLICE_ARG(domain));
	else
		steps_fail(&v->steps, "authority", 437, NULL,
			   "the certificate is for %s, not for %.*s, the domain of From", names.p, SLICE_ARG(domain));
	buf_free(&names);
}

static void step_signature(struct verify *v)
{
	const struct signature_parts p = {&v->ds, v->in.tail, v->alg, buf_slice(&v->sig)};
	struct key *key = NULL;

	if (cert_key_kind(v->cert) != KEY_RSA) {
		steps_fail(&v->steps, "signature", 437, NULL, "the certificate has no RSA key");
	} else if (!v->c.signature_only && !cert_usage_allows(v->cert, CERT_DIGITAL_SIGNATURE)) {
		steps_fail(&v->steps, "signature", 437, NULL, "the key usage of the certificate allows no signatures");
	} else if (cert_public_key(v->cert, &key) != ERR_OK) {
		steps_fail(&v->steps, "signature", 437, NULL, "the key of the certificate cannot be used");
	} else if (signature_holds(&p, key)) {
		steps_hold(&v->steps, "signature", "it fits the canonical string and the key of the certificate");
	} else if (v->c.signature_only && signature_holds_with_tail(&p, key)) {
		steps_hold(&v->steps, "signature",
			   "it fits with all %zu octets behind the head; Content-Length leaves out the last %zu",
			   v->in.m->body.n + v->in.tail.n, v->in.tail.n);
	} else {
		steps_fail(&v->steps, "signature", 438, NULL, "%s", signature_guess(&p, key));
		/* What people compare with the signer's. */
		signature_escape(&v->ds, &v->steps.list[v->steps.count - 1].string);
	}
	key_free(key);
}

/* --- Date --- */

static void step_date(struct verify *v)
{
	long long off = (long long)(v->ds.date_s - v->now);
	long long far = llabs(off);
	char now[DATE_SIZE];

	date_format(v->now, now);
	if (far > DATE_SKEW_S)
		steps_fail(&v->steps, "date", 403, "Stale Date",
			   "%s is %lld %s %s %s, and an hour is allowed; --at sets another time", v->ds.date,
			   far > 172800 ? far / 86400 : far, far > 172800 ? "days" : "seconds",
			   off < 0 ? "before" : "after", now);
	else
		steps_hold(&v->steps, "date", "%s is within an hour of %s", v->ds.date, now);
	if (v->cert == NULL)
		steps_open(&v->steps, "date-in-life", "there is no certificate");
	else if (v->ds.date_s < cert_not_before(v->cert) || v->ds.date_s > cert_not_after(v->cert))
		steps_fail(&v->steps, "date-in-life", 437, NULL, "at Date the certificate was not valid");
	else
		steps_hold(&v->steps, "date-in-life", "at Date the certificate was valid");
}

/* Of what the steps behind need, what is missing; NULL: nothing. */
static const char *missing(const struct verify *v)
{
	return v->cert == NULL        ? "there is no certificate"
	       : v->sig.n == 0        ? "there is no signature that can be read"
	       : v->alg_fault != NULL ? v->alg_fault
				      : v->ds_fault;
}

void verify_steps(struct verify *v)
{
	static const char none[] = "there is no certificate";

	step_message(v);
	step_identity(v);
	step_info(v);
	step_string(v);
	step_certificate(v);
	if (!v->c.signature_only && v->cert != NULL) {
		step_chain(v);
		step_authority(v);
	} else if (!v->c.signature_only) {
		steps_open(&v->steps, "chain", none);
		steps_open(&v->steps, "authority", none);
	}
	if (missing(v) == NULL)
		step_signature(v);
	else
		steps_open(&v->steps, "signature", missing(v));
	if (v->c.signature_only)
		return;
	if (v->ds_fault == NULL) {
		step_date(v);
	} else {
		steps_open(&v->steps, "date", v->ds_fault);
		steps_open(&v->steps, "date-in-life", v->ds_fault);
	}
}
