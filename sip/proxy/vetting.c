#include "core/log.h"
#include "sip/message/date.h"
#include "sip/message/digest_string.h"
#include "sip/message/header.h"
#include "sip/identity/identity.h"
#include "sip/proxy/proxy_private.h"
#include "sip/identity/replay.h"
#include "sip/identity/verifier.h"

/*
 * Identity (RFC 4474): a request of a user of ours is signed before it goes on, and a request of a stranger to a user
 * of ours is verified. A proven From is told to phones in P-Asserted-Identity (RFC 3325), which nobody else can tell
 * them.
 *
 *   vetting_start -> sign -> (worker) -> on_signed -> fork_go
 *                 -> verifier_check -> (worker) -> on_verdict -> fork_go, or an answer
 */

#define DATE_OFF_S 600 /* RFC 4474 5 step 3: ten minutes */
#define RETRY_S 2      /* seconds; the least Retry-After when there is too much to sign or verify */

/* answer, answer_busy: end the fork first, so that nothing can answer its request twice. */
static void answer(struct fork *f, unsigned code, const char *reason)
{
	struct tx *tx = tx_find(f->proxy->d.transactions, f->id);

	fork_end(f);
	if (tx != NULL)
		tx_reply_code(tx, code, reason);
}

static void answer_busy(struct fork *f)
{
	struct tx *tx = tx_find(f->proxy->d.transactions, f->id);

	fork_end(f);
	if (tx != NULL)
		tx_reply_busy(tx, RETRY_S, NULL);
}

/* Does From say that the sender is of our domain? */
static bool claims_ours(const struct fork *f)
{
	return itinerary_is_of_domain(f->proxy, &f->request->from.uri);
}

/* wants_signature: by identity.sign. Only a proven From is signed (RFC 4474 5 step 2). */
static bool wants_signature(const struct fork *f)
{
	const struct sip_msg *m = f->request;
	uint32_t which = f->proxy->d.access.settings->config.identity_sign;

	if (!f->vouched || which == SIGN_OFF || (which == SIGN_OUTBOUND && f->to_local))
		return false;
	/* AUT-09. A request that has an Identity already, of whatever kind, is left as it is (AUT-21). */
	return m->method != METHOD_REGISTER && msg_value(m, HDR_IDENTITY).p == NULL;
}

/* check_date: RFC 4474 5 step 3. *out is the Date that will be signed. false: answered. */
static bool check_date(struct fork *f, int64_t *out)
{
	struct slice date = msg_value(f->request, HDR_DATE);
	int64_t now = loop_wall_s(f->proxy->d.loop);

	*out = now;
	if (date.p == NULL)
		return true;
	if (date_parse(date, out) != ERR_OK)
		answer(f, 400, "Bad Date Header Field");
	else if (*out < now - DATE_OFF_S || *out > now + DATE_OFF_S)
		answer(f, 403, "Stale Date");
	else
		return true;
	return false;
}

/* take_signed: from here on the signed request goes out, to every branch and every hop. */
static bool take_signed(struct fork *f, const struct buf *octets)
{
	struct sip_msg *m;
	const char *why;

	if (msg_parse(buf_slice(octets), &m, &why) != ERR_OK)
		return false;
	if (m->defect_code != 0) {
		msg_unref(m);
		return false;
	}
	fork_set_request(f, m);
	return true;
}

static void on_signed(void *arg, uint64_t own, enum err e, struct buf *octets)
{
	struct proxy *p = arg;
	struct fork *f = fork_find(p, own);

	p->signing--;
	if (f == NULL) /* cancelled meanwhile */
		return;
	if (e != ERR_OK || !take_signed(f, octets)) {
		log_line(LOG_ERROR, "event=not_signed call_id=%s reason=%s", log_esc(f->request->call_id).text,
			 log_esc(slice_str(err_str(e))).text);
		answer(f, 500, "Cannot Be Signed");
		return;
	}
	p->identities.signatures++;
	fork_go(f);
}

static void sign(struct fork *f)
{
	struct proxy *p = f->proxy;
	struct buf octets = {0};
	int64_t date_s;
	enum err e;

	if (!check_date(f, &date_s))
		return;
	if (!signer_ready(p->d.signer, date_s)) { /* AUT-07: without a valid certificate it goes on unsigned */
		log_line(LOG_WARN, "event=unsigned call_id=%s reason=no_valid_domain_certificate",
			 log_esc(f->request->call_id).text);
		fork_go(f);
		return;
	}
	e = p->signing < p->d.signing_max ? identity_complete(f->request, date_s, &octets) : ERR_BUSY;
	if (e == ERR_OK)
		e = signer_sign(p->d.signer, &octets, f->own, on_signed, p);
	if (e == ERR_OK)
		p->signing++;
	else if (e == ERR_BUSY)
		answer_busy(f);
	else if (e == ERR_LIMIT)
		answer(f, 513, NULL);
	else
		answer(f, 400, "Ambiguous In What Is Signed");
	buf_free(&octets);
}

/* --- strangers --- */

/* is_required: by identity.require, a list of domains or "*" (VER-01). */
static bool is_required(const struct fork *f)
{
	struct slice list = slice_str(f->proxy->d.access.settings->config.identity_require);

	for (struct slice rest = slice_list(list), domain; slice_item(&rest, &domain);)
		if (slice_eq(domain, S("*")) || slice_ieq(domain, uri_domain(&f->request->from.uri)))
			return true;
	return false;
}

/*
 * is_first_there: the memory of replays knows no Request-URI, so the user that the request goes to is entered as part
 * of the method. Each user gets a signed request once; otherwise a copy could be sent to one user again and again while
 * the first is under way.
 */
static bool is_first_there(const struct proxy *p, const struct sip_msg *m)
{
	struct buf what = {0};
	struct replay_key key = {
		.from = m->from.spec, .domain = uri_domain(&m->from.uri), .call_id = m->call_id, .cseq = m->cseq};
	bool first;

	buf_add(&what, m->method_name);
	buf_addc(&what, ' ');
	first = uri_aor(&m->uri, &what) == ERR_OK;
	key.method = buf_slice(&what);
	first = first && replay_enter(p->d.replay, &key, loop_now_ms(p->d.loop), loop_wall_s(p->d.loop)) == ERR_OK;
	buf_free(&what);
	return first;
}

/*
 * is_other_branch: a second copy of a signed request that is still pending and goes to another target is a fork, not a
 * replay (T-07). It is forwarded without P-Asserted-Identity, because an on-path attacker could have produced it.
 */
static bool is_other_branch(const struct fork *f)
{
	const struct sip_msg *m = f->request;

	for (const struct fork *first = fork_of_call(f->proxy, m->call_id); first != NULL;
	     first = fork_next_of_call(first)) {
		const struct sip_msg *o = first->request;

		if (first != f && first->vouched && o->cseq == m->cseq && slice_eq(o->method_name, m->method_name) &&
		    slice_eq(o->from.spec, m->from.spec))
			return !uri_equal(&o->uri, &m->uri) && is_first_there(f->proxy, m);
	}
	return false;
}

/* same_signature: equal Identity and equal digest-strings; then the signature holds for both. */
static bool same_signature(const struct sip_msg *a, const struct sip_msg *b)
{
	struct digest_string x, y;

	if (!slice_eq(msg_value(a, HDR_IDENTITY), msg_value(b, HDR_IDENTITY)) || digest_string(a, &x) != ERR_OK ||
	    digest_string(b, &y) != ERR_OK)
		return false;
	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
		if (!slice_eq(x.parts[i], y.parts[i]))
			return false;
	return true;
}

bool vetting_comes_back(const struct proxy *p, const struct sip_msg *m)
{
	if (msg_count(m, HDR_IDENTITY) != 1)
		return false;
	for (const struct fork *first = fork_of_call(p, m->call_id); first != NULL; first = fork_next_of_call(first))
		if (first->proven && first->secret == sender_secret(p, m, &first->source) &&
		    identity_is_there(first->request) && same_signature(first->request, m))
			return is_first_there(p, m);
	return false;
}

/*
 * wants_verdict: by identity.verify-inbound, for requests to users of ours. ACKs are not judged: they cannot be
 * answered.
 */
static bool wants_verdict(const struct fork *f)
{
	const struct config *c = &f->proxy->d.access.settings->config;

	/* A From of our domain was proven by digest, or is known by its dialog and not vouched for. */
	return c->identity_verify_inbound != VERIFY_OFF && f->to_local && f->id != 0 && !claims_ours(f) &&
	       (identity_is_there(f->request) || is_required(f));
}

/*
 * on_verdict: VER-16: with reject, and for a domain of identity.require, a request that does not hold is refused.
 * Otherwise it goes on without P-Asserted-Identity.
 */
static void on_verdict(void *arg, uint64_t own, const struct verdict *v)
{
	struct proxy *p = arg;
	struct fork *f = fork_find(p, own);

	if (f == NULL) /* cancelled meanwhile */
		return;
	f->vouched = v->code == 0;
	if (f->vouched) {
		p->identities.verified++;
	} else {
		p->identities.failed++;
		log_line(LOG_WARN, "event=identity_failed status=%u peer=%s from=%s call_id=%s reason=%s", v->code,
			 peer_text(&f->source.remote).text, log_esc(f->request->from.spec).text,
			 log_esc(f->request->call_id).text, log_esc(slice_str(v->text)).text);
	}
	if (f->vouched || (v->replayed && is_other_branch(f)) ||
	    (p->d.access.settings->config.identity_verify_inbound != VERIFY_REJECT && !is_required(f)))
		fork_go(f);
	else if (v->code == 503)
		answer_busy(f);
	else
		answer(f, v->code, v->reason);
}

/*
 * brings_ours: does a request of our domain come with a signature that we did not make, or with half of one? It would
 * be taken for ours. An ACK is not answered, so it is left alone.
 */
static bool brings_ours(const struct fork *f)
{
	return f->id != 0 && claims_ours(f) && !f->comes_back &&
	       (identity_is_there(f->request) || msg_value(f->request, HDR_IDENTITY_INFO).p != NULL);
}

void vetting_start(struct fork *f)
{
	struct proxy *p = f->proxy;

	/* No certificate names a host with a final dot, so a signature for such a From could not be verified. */
	f->vouched = f->proven && f->request->from.uri.host.n == uri_domain(&f->request->from.uri).n;
	if (brings_ours(f))
		answer(f, 403, "Identity Is Added Here");
	else if (wants_signature(f))
		sign(f);
	else if (wants_verdict(f))
		verifier_check(p->d.verifier, f->request, &f->source, f->own, on_verdict, p);
	else
		fork_go(f);
}
