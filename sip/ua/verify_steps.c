#include <stdlib.h>

#include "sip/identity/fetch.h"
#include "sip/ua/fetch_once.h"
#include "sip/ua/signature.h"
#include "sip/ua/verify_private.h"

/*
 * The steps of identity/judge.h in words for a person. Each step of the output is one or more steps of the judge; a
 * step that lacks what an earlier one should have found stays open.
 */

#define DATE_SKEW_S 3600 /* RFC 4474 13.1 */

/* --- what the message says --- */

/* step_message: does a receiver accept the syntax of the message? If not, it never looks at the signature. */
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

/* judged: takes one step of the judge, and tells its failure. false: it failed. */
static bool judged(struct verify *v, const char *name, enum judge_step step)
{
	struct judge *j = &v->judge;

	if (judge_step(j, step))
		return true;
	steps_fail(&v->steps, name, j->code, j->reason, "%s", j->text);
	return false;
}

/* step_identity: an Identity of RFC 8224 is no signature here, and the user is told what could check it. */
static void step_identity(struct verify *v)
{
	const struct sip_msg *m = v->in.m;
	unsigned others = msg_count(m, HDR_IDENTITY);
	bool holds = judge_step(&v->judge, JUDGE_IDENTITY);

	if (!holds)
		steps_fail(&v->steps, "identity", v->judge.code, v->judge.reason, "%s%s", v->judge.text,
			   v->judge.identity == IDENTITY_RFC8224
				   ? "; it takes a verifier of RFC 8224 (STIR) to check it"
				   : "");
	else if (others > 1)
		steps_hold(&v->steps, "identity", "a signature of %zu octets; beside it %u Identity as RFC 8224 has it",
			   v->judge.sig.n, others - 1);
	else
		steps_hold(&v->steps, "identity", "a signature of %zu octets", v->judge.sig.n);
}

static void step_info(struct verify *v)
{
	if (judged(v, "identity-info", JUDGE_INFO))
		steps_hold(&v->steps, "identity-info", "%.*s, %s", SLICE_ARG(v->judge.url),
			   identity_alg_name(v->judge.alg));
}

/* step_string: part 10 of the digest-string is Contact (RFC 4474 9), which may be missing. */
static void step_string(struct verify *v)
{
	if (judged(v, "signed-parts", JUDGE_STRING))
		steps_hold(&v->steps, "signed-parts", "From, To, Call-ID, CSeq, Date%s and the body can be read",
			   v->judge.string.parts[10].n > 0 ? ", Contact" : "");
}

/* --- the certificate --- */

/* step_certificate: --cert goes before Identity-Info, so that old requests can be judged, too. */
static void step_certificate(struct verify *v)
{
	static const char step[] = "certificate";
	struct judge *j = &v->judge;
	char begin[DATE_SIZE], end[DATE_SIZE];
	struct buf why = {0};

	j->source = v->c.cert != NULL ? slice_str(v->c.cert) : j->url;
	if (j->source.p == NULL) {
		steps_open(&v->steps, step, "no URL to fetch it from; --cert FILE gives one");
		return;
	}
	if (v->c.cert == NULL && !fetch_once(j->source, v->anchors, &v->reach, &v->der, &why)) {
		steps_fail(&v->steps, step, 436, NULL, "%.*s cannot be fetched: %s; --cert FILE gives another",
			   SLICE_ARG(j->source), why.p);
		buf_free(&why);
		return;
	}
	j->der = buf_slice(&v->der);
	if (!judged(v, step, JUDGE_CERTIFICATE))
		return;
	date_format(cert_not_before(j->cert), begin);
	date_format(cert_not_after(j->cert), end);
	steps_hold(&v->steps, step, "%s%s: %s key of %u bits, valid from %s to %s",
		   v->c.cert != NULL ? "from " : "fetched", v->c.cert != NULL ? v->c.cert : "",
		   cert_key_kind(j->cert) == KEY_RSA ? "RSA" : "EC", cert_key_bits(j->cert), begin, end);
}

/* step_chain: without --ca nothing is trusted: the CAs of the system are for web servers. */
static void step_chain(struct verify *v)
{
	static const char step[] = "chain";
	struct judge *j = &v->judge;
	char now[DATE_SIZE];

	if (v->c.ca == NULL) {
		steps_fail(&v->steps, step, 437, NULL,
			   "nothing says which CAs are trusted: name a PEM file of them with --ca");
		return;
	}
	date_format(j->now_s, now);
	if (judge_step(j, JUDGE_CHAIN))
		steps_hold(&v->steps, step, "the certificate leads to a CA of %s", v->c.ca);
	else if (j->chain == TRUST_EXPIRED || j->chain == TRUST_NOT_YET)
		steps_fail(&v->steps, step, j->code, j->reason, "%s at %s; --at sets another time", trust_str(j->chain),
			   now);
	else if (j->chain == TRUST_UNTRUSTED && cert_is_self_signed(j->cert))
		steps_fail(&v->steps, step, j->code, j->reason, "the certificate is self-signed and not in %s",
			   v->c.ca);
	else
		steps_fail(&v->steps, step, j->code, j->reason, "%s; the trusted ones are in %s", trust_str(j->chain),
			   v->c.ca);
}

/* names_of: the names in the certificate that count (RFC 2818: CN only without others), for a person. */
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

/* step_authority: JUDGE_FROM and JUDGE_AUTHORITY. */
static void step_authority(struct verify *v)
{
	static const char step[] = "authority";
	struct judge *j = &v->judge;
	struct buf names = {0};

	if (!judged(v, step, JUDGE_FROM))
		return;
	names_of(j->cert, &names);
	if (judge_step(j, JUDGE_AUTHORITY))
		steps_hold(&v->steps, step, "the certificate is for %.*s, the domain of From", SLICE_ARG(j->domain));
	else
		steps_fail(&v->steps, step, j->code, j->reason,
			   "the certificate is for %s, not for %.*s, the domain of From", names.p,
			   SLICE_ARG(j->domain));
	buf_free(&names);
}

/*
 * explain_signature: the probable cause why it does not fit, and the string that was signed, to be compared with that
 * of the signer. With --signature-only a signature over more than Content-Length says is accepted.
 */
static void explain_signature(struct verify *v)
{
	const struct judge *j = &v->judge;
	const struct signature_parts p = {&j->string, v->in.tail, j->alg, buf_slice(&j->sig)};
	struct key *key;

	if (cert_public_key(j->cert, &key) != ERR_OK)
		return;
	if (v->c.signature_only && signature_holds_with_tail(&p, key)) {
		steps_hold(&v->steps, "signature",
			   "it fits with all %zu octets behind the head; Content-Length leaves out the last %zu",
			   v->in.m->body.n + v->in.tail.n, v->in.tail.n);
	} else {
		steps_fail(&v->steps, "signature", j->code, j->reason, "%s", signature_guess(&p, key));
		signature_escape(&j->string, &v->steps.list[v->steps.count - 1].string);
	}
	key_free(key);
}

/* step_signature: JUDGE_KEY, JUDGE_USAGE and JUDGE_SIGNATURE. */
static void step_signature(struct verify *v)
{
	static const char step[] = "signature";
	struct judge *j = &v->judge;

	if (!judged(v, step, JUDGE_KEY) || (!v->c.signature_only && !judged(v, step, JUDGE_USAGE)))
		return;
	if (judge_step(j, JUDGE_SIGNATURE))
		steps_hold(&v->steps, step, "it fits the canonical string and the key of the certificate");
	else if (j->code == 438)
		explain_signature(v);
	else
		steps_fail(&v->steps, step, j->code, j->reason, "%s", j->text);
}

/* --- Date --- */

/* step_date: two steps of output: Date against the clock, and against the certificate. */
static void step_date(struct verify *v)
{
	struct judge *j = &v->judge;
	long long off = (long long)(j->string.date_s - j->now_s);
	long long far = llabs(off);
	char now[DATE_SIZE];

	date_format(j->now_s, now);
	if (judge_step(j, JUDGE_DATE))
		steps_hold(&v->steps, "date", "%s is within an hour of %s", j->string.date, now);
	else
		steps_fail(&v->steps, "date", j->code, j->reason,
			   "%s is %lld %s %s %s, and an hour is allowed; --at sets another time", j->string.date,
			   far > 172800 ? far / 86400 : far, far > 172800 ? "days" : "seconds",
			   off < 0 ? "before" : "after", now);
	if (j->cert == NULL)
		steps_open(&v->steps, "date-in-life", "there is no certificate");
	else if (judged(v, "date-in-life", JUDGE_LIFE))
		steps_hold(&v->steps, "date-in-life", "at Date the certificate was valid");
}

/* no_algorithm: why there is no algorithm, a clause. */
static const char *no_algorithm(const struct verify *v)
{
	return msg_count(v->in.m, HDR_IDENTITY_INFO) > 1 ? "there are several Identity-Info"
							 : "there is no Identity-Info that names the algorithm";
}

/* missing: the first thing that the signature step lacks, a clause; NULL: nothing. */
static const char *missing(const struct verify *v)
{
	const struct judge *j = &v->judge;

	if (j->cert == NULL)
		return "there is no certificate";
	if (j->sig.n == 0)
		return "there is no signature that can be read";
	if (!j->has_alg)
		return no_algorithm(v);
	return j->has_string ? NULL : digest_string_fault(v->in.m);
}

void verify_steps(struct verify *v)
{
	static const char none[] = "there is no certificate";
	struct judge *j = &v->judge;

	*j = (struct judge){
		.m = v->in.m, .trust = v->anchors, .now_s = v->now, .date_skew_s = DATE_SKEW_S, .wildcard = true};
	step_message(v);
	step_identity(v);
	step_info(v);
	step_string(v);
	step_certificate(v);
	if (!v->c.signature_only && j->cert != NULL) {
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
	if (j->has_string) {
		step_date(v);
	} else {
		steps_open(&v->steps, "date", digest_string_fault(v->in.m));
		steps_open(&v->steps, "date-in-life", digest_string_fault(v->in.m));
	}
}
