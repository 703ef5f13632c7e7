#include "sip/proxy/passage.h"

#include "sip/message/scan.h"

/* When a header field is taken out. */
enum {
	REQUEST = 1,
	RESPONSE = 2,
	ALWAYS = REQUEST | RESPONSE,
	OF_STRANGERS = 4, /* unless the sender is a user of ours */
	OF_NAMES = 8      /* unless names pass */
};

/* A header field that is looked at: of a request, or of a response to request. */
struct passing {
	const struct passage *p;
	const struct sip_msg *request; /* NULL: it is of a request */
	struct slice name, value;
};

typedef bool (*passing_fn)(const struct passing *w);

/*
 * claims_realm: RFC 3261 22.1: a challenge names who asks. Whoever is called could have a user answer a challenge of
 * this server, and use the answer here.
 */
static bool claims_realm(const struct passing *w)
{
	return access_claims(w->p->access, w->value);
}

/*
 * answers_nobody: RFC 7615: it has no realm. What came with the answer to this server, or to nobody, is no business of
 * the other side, whose nextnonce would be used here.
 */
static bool answers_nobody(const struct passing *w)
{
	static const enum header ids[] = {HDR_AUTHORIZATION, HDR_PROXY_AUTHORIZATION};

	for (unsigned i = 0; w->request != NULL && i < 2; i++)
		for (const struct sip_header *h = msg_each(w->request, ids[i], NULL); h != NULL;
		     h = msg_each(w->request, ids[i], h))
			if (!access_claims(w->p->access, h->value))
				return false;
	return true;
}

static bool contains(struct slice s, struct slice word)
{
	for (size_t i = 0; i + word.n <= s.n; i++)
		if (slice_ieq(slice_sub(s, i, i + word.n), word))
			return true;
	return false;
}

/* answers_call: phones take a Call-Info with answer-after for an intercom, and open the microphone. */
static bool answers_call(const struct passing *w)
{
	return contains(w->value, S("answer-after"));
}

/* answers_by_name: each maker has a field of his own for it: P-Auto-Answer, X-Auto-Answer, Answer-After. */
static bool answers_by_name(const struct passing *w)
{
	return contains(w->name, S("answer"));
}

/* is_private: RFC 5727 4: P- fields mean something between networks that trust each other, such as P-Served-User. */
static bool is_private(const struct passing *w)
{
	return slice_istarts(w->name, S("P-"));
}

/* The table. if_so NULL: whatever the value is. */
static const struct {
	enum header id;
	unsigned when;
	passing_fn if_so;
} rules[] = {
	/* In either direction: where they mean nothing by the RFC, some phone may still read them. */
	{HDR_WWW_AUTHENTICATE, ALWAYS, claims_realm},
	{HDR_PROXY_AUTHENTICATE, ALWAYS, claims_realm},
	{HDR_AUTHORIZATION, ALWAYS, claims_realm},
	{HDR_PROXY_AUTHORIZATION, ALWAYS, claims_realm},
	{HDR_AUTHENTICATION_INFO, ALWAYS, answers_nobody},
	{HDR_PROXY_AUTHENTICATION_INFO, ALWAYS, answers_nobody},
	/* RFC 3325 5: the domain tells its users who calls, and who was reached. */
	{HDR_P_ASSERTED_IDENTITY, ALWAYS | OF_NAMES, NULL},
	{HDR_P_PREFERRED_IDENTITY, ALWAYS | OF_NAMES, NULL},
	{HDR_REMOTE_PARTY_ID, ALWAYS | OF_NAMES, NULL},
	/* RFC 4474 signs requests only. Those of requests are the business of vetting.c. */
	{HDR_IDENTITY, RESPONSE, NULL},
	{HDR_IDENTITY_INFO, RESPONSE, NULL},
	/* RFC 5373, and what phones did before it. */
	{HDR_ANSWER_MODE, ALWAYS | OF_STRANGERS, NULL},
	{HDR_PRIV_ANSWER_MODE, ALWAYS | OF_STRANGERS, NULL},
	{HDR_ALERT_INFO, ALWAYS | OF_STRANGERS, NULL},
	{HDR_CALL_INFO, ALWAYS | OF_STRANGERS, answers_call},
	{HDR_OTHER, ALWAYS | OF_STRANGERS, answers_by_name},
	{HDR_OTHER, ALWAYS | OF_STRANGERS | OF_NAMES, is_private},
};

static bool is_taken_out(const struct passing *w, enum header id)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].id == id && (rules[i].when & (w->request == NULL ? REQUEST : RESPONSE)) != 0 &&
		    !((rules[i].when & OF_STRANGERS) != 0 && w->p->from_user) &&
		    !((rules[i].when & OF_NAMES) != 0 && w->p->names) && (rules[i].if_so == NULL || rules[i].if_so(w)))
			return true;
	return false;
}

/* take_out: *left: how many challenges stay. */
static enum err take_out(struct passing *w, struct edit_list *l, unsigned *left)
{
	enum err e = ERR_OK;

	for (unsigned i = 0; i < l->msg->header_count && e == ERR_OK; i++) {
		const struct sip_header *h = &l->msg->headers[i];

		w->name = h->name;
		w->value = h->value;
		if (is_taken_out(w, h->id))
			e = edit_replace(l, h, SLICE_NONE);
		else
			*left += h->id == HDR_WWW_AUTHENTICATE || h->id == HDR_PROXY_AUTHENTICATE;
	}
	return e;
}

enum err passage_request(const struct passage *p, struct edit_list *l)
{
	struct passing w = {.p = p};
	unsigned left = 0;

	return take_out(&w, l, &left);
}

/*
 * Half of a head is for what is repeated, an eighth more when it comes back with what was added here. A request has an
 * eighth for that, too; Identity is the longest of it.
 */
bool passage_fits(const struct sip_msg *m)
{
	static const enum header repeated[] = {HDR_VIA, HDR_RECORD_ROUTE, HDR_FROM, HDR_TO, HDR_CALL_ID, HDR_CSEQ};
	size_t octets = 0, count = 0, share = m->request ? 4 : 5;

	for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++)
		for (const struct sip_header *h = msg_each(m, repeated[i], NULL); h != NULL;
		     h = msg_each(m, repeated[i], h)) {
			octets += h->value.n + S("Record-Route: \r\n").n;
			count++;
		}
	return octets <= SIP_HEADER_BLOCK_MAX / 8 * share && count <= SIP_HEADERS_MAX / 8 * share &&
	       m->raw.n - m->body.n <= SIP_HEADER_BLOCK_MAX / 8 * 7;
}

enum err passage_response(const struct passage *p, const struct sip_msg *request, struct sip_msg *m,
			  struct sip_msg **out)
{
	struct passing w = {.p = p, .request = request};
	struct buf octets = {0};
	struct edit_list l;
	unsigned left = 0;
	const char *why;
	enum err e;

	if (!passage_fits(m))
		return ERR_LIMIT;
	edit_start(&l, m);
	e = take_out(&w, &l, &left);
	if (e == ERR_OK && (m->status == 401 || m->status == 407) && left == 0)
		e = edit_start_line(&l, S("SIP/2.0 502 Challenge In The Name Of This Server\r\n"));
	if (e == ERR_OK && l.count == 0) {
		*out = msg_ref(m);
		return ERR_OK;
	}
	if (e == ERR_OK) {
		edit_apply(&l, &octets);
		e = msg_parse(buf_slice(&octets), out, &why);
	}
	buf_free(&octets);
	return e;
}

bool passage_is(const struct sip_msg *m, const char *method)
{
	return slice_ieq(m->method_name, slice_str(method));
}

unsigned passage_refusal(const struct passage *p, const struct sip_msg *m, const char **reason)
{
	if (p->from_user)
		return 0;
	/* A NOTIFY without a subscription (RFC 6665 4.1.3): check-sync and its kin make phones restart or load. */
	if (passage_is(m, "NOTIFY")) {
		*reason = "Subscription Does Not Exist";
		return 481;
	}
	/* A REFER makes a phone call whom the sender names, at the expense of its user. */
	if (passage_is(m, "REFER")) {
		*reason = "Only Users May Refer";
		return 403;
	}
	return 0;
}
