#include "sip/ua/agent_private.h"

#include "core/mem.h"

/*
 * Requests of the agent (struct call): written for the connection that is there, challenges answered, and ended by one
 * done(), which may begin the next call.
 */

#define CHALLENGES_MAX 3 /* challenges that one request answers: the first, and those that say stale */

struct call *call_new(struct agent *a, const struct agent_request *r)
{
	struct call *c = mem_alloc(sizeof(*c));

	c->agent = a;
	c->r = *r;
	c->r.headers = slice_copy(r->headers);
	c->r.body = slice_copy(r->body);
	list_add(&a->calls, &c->node);
	return c;
}

void call_free(struct call *c)
{
	list_remove(&c->node);
	mem_wipe((void *)(uintptr_t)c->r.body.p, c->r.body.n);
	slice_drop(&c->r.headers);
	slice_drop(&c->r.body);
	answer_drop(&c->anonymous);
	mem_free(c);
}

static void call_end(struct call *c, struct sip_msg *response, const char *why)
{
	struct agent_request r = c->r;

	/* The copies go first, because done may begin another call, or end the agent. */
	call_free(c);
	r.done(r.arg, response, why);
}

static bool is_stranded(const struct call *c)
{
	return c->waiting || c->lost;
}

void call_fail_all(struct agent *a, const char *why)
{
	struct list stranded;
	struct list_node *n, *next;

	/* Taken aside first: a call that done begins is not one of them. */
	list_init(&stranded);
	for (n = list_first(&a->calls); n != NULL; n = next) {
		next = list_next(&a->calls, n);
		if (is_stranded(LIST_ENTRY(n, struct call, node))) {
			list_remove(n);
			list_add(&stranded, n);
		}
	}
	while ((n = list_first(&stranded)) != NULL)
		call_end(LIST_ENTRY(n, struct call, node), NULL, why);
}

bool call_any_lost(const struct agent *a)
{
	for (struct list_node *n = list_first(&a->calls); n != NULL; n = list_next(&a->calls, n))
		if (LIST_ENTRY(n, struct call, node)->lost)
			return true;
	return false;
}

void agent_realm(const struct agent *a, unsigned i, struct buf *out)
{
	buf_addf(out, "%s%.*s", i == 0 ? "" : "credential.", SLICE_ARG(a->account->domain));
}

void call_forget_answers(struct agent *a)
{
	for (unsigned i = 0; i < AGENT_REALMS; i++)
		answer_drop(&a->answers[i]);
}

/* least_of: nothing weaker than SHA-256 is asked for by the credential service (DIG-12). */
static enum hash_alg least_of(unsigned realm)
{
	return realm == AGENT_REALM_CREDENTIAL ? HASH_SHA256 : HASH_MD5;
}

/* is_asked_for_us: is there a challenge for a realm that knows the password? */
static bool is_asked_for_us(const struct agent *a, const struct sip_msg *response)
{
	struct answer scratch = {0};
	bool stale = false, found = false;

	for (unsigned i = 0; i < AGENT_REALMS && !found; i++) {
		struct buf realm = {0};

		agent_realm(a, i, &realm);
		found = answer_take(&scratch, response, buf_slice(&realm), least_of(i), &stale);
		buf_free(&realm);
	}
	answer_drop(&scratch);
	return found;
}

/* take_challenges: one of each realm. false: there is none that may be answered. */
static bool take_challenges(struct agent *a, const struct sip_msg *response, bool *stale)
{
	bool any = false;

	*stale = false;
	for (unsigned i = 0; i < AGENT_REALMS; i++) {
		struct buf realm = {0};

		agent_realm(a, i, &realm);
		any = answer_take(&a->answers[i], response, buf_slice(&realm), least_of(i), stale) || any;
		buf_free(&realm);
	}
	return any;
}

/*
 * prove_address: RFC 3261 22.1: who watches a certificate of another domain may be asked there, behind UDP, whether he
 * gets what is sent to him. Any realm may ask that, in the clear, too, since the answer has no password in it.
 */
static bool prove_address(struct call *c, const struct sip_msg *response)
{
	bool stale = false, first = c->anonymous.nonce == NULL;

	return c->r.method == METHOD_SUBSCRIBE && response->status == 401 && !is_asked_for_us(c->agent, response) &&
	       answer_take(&c->anonymous, response, SLICE_NONE, HASH_MD5, &stale) && (first || stale) &&
	       c->challenges++ < CHALLENGES_MAX;
}

static void on_answer(void *arg, uint64_t id, struct sip_msg *response, enum err why)
{
	struct call *c = arg;
	struct agent *a = c->agent;
	bool stale, first = c->challenges == 0;

	(void)id;
	if (response == NULL && why != ERR_AGAIN) {
		c->lost = true; /* on_closed follows with the reason */
		return;
	}
	if (response == NULL) {
		call_end(c, NULL, "the server did not answer within 32 seconds");
		return;
	}
	a->spoke = true;
	if (response->status != 401 && response->status != 407) {
		call_end(c, response, NULL);
		return;
	}
	if (prove_address(c, response)) {
		call_transmit(c);
		return;
	}
	if (a->flow.proto != PROTO_TLS) {
		/* DIG-08: an answer in the clear could be tried against a dictionary. */
		call_end(c, NULL,
			 "the server asks for the password over a connection that is not TLS; nothing was answered");
		return;
	}
	if (a->account->password == NULL || !take_challenges(a, response, &stale) || (!first && !stale) ||
	    c->challenges++ >= CHALLENGES_MAX) {
		call_forget_answers(a);
		call_end(c, response, NULL);
		return;
	}
	call_transmit(c);
}

static void contact_of(const struct agent *a, const struct agent_request *r, struct buf *out)
{
	bool sips = slice_istarts(slice_str(r->dialog->target), S("sips:"));

	buf_addf(out, "%s:%.*s@%s", sips ? "sips" : "sip", SLICE_ARG(a->account->user),
		 transport_sent_by(a->transport, &a->flow).text);
	if (a->flow.proto == PROTO_TCP)
		buf_adds(out, ";transport=tcp");
}

/* An answer goes along ahead of the challenge when one is known (EVT-26). */
void call_transmit(struct call *c)
{
	struct agent *a = c->agent;
	struct dialog *d = c->r.dialog;
	struct buf branch = {0}, octets = {0};
	struct uri target;

	if (c->r.contact) {
		struct buf contact = {0};

		contact_of(a, &c->r, &contact);
		mem_free(d->contact);
		d->contact = buf_take(&contact);
	}
	d->local_cseq++;
	tx_branch(&branch);
	dialog_request(d, method_name(c->r.method), flow_proto_name(a->flow.proto),
		       transport_sent_by(a->transport, &a->flow).text, buf_slice(&branch), &octets);
	for (unsigned i = 0; i < AGENT_REALMS; i++) {
		if (a->answers[i].nonce == NULL || dialog_next_hop(d, &target) != ERR_OK)
			continue;
		const struct answer_request answer = {.user = a->account->user,
						      .password = slice_str(a->account->password),
						      .method = slice_str(method_name(c->r.method)),
						      .uri = slice_str(d->target),
						      .body = c->r.body};

		answer_make(&a->answers[i], &answer, &octets);
	}
	if (c->anonymous.nonce != NULL)
		answer_make(&c->anonymous,
			    &(struct answer_request){.user = S("anonymous"),
						     .password = S(""),
						     .method = slice_str(method_name(c->r.method)),
						     .uri = slice_str(d->target),
						     .body = c->r.body},
			    &octets);
	buf_add(&octets, c->r.headers);
	build_end(&octets, c->r.body);
	c->waiting = false;
	tx_send(a->transactions, &a->flow, &octets, buf_slice(&branch), c->r.method, on_answer, c);
	buf_free(&branch);
}

void call_send_all(struct agent *a)
{
	for (struct list_node *n = list_first(&a->calls), *next; n != NULL; n = next) {
		struct call *c = LIST_ENTRY(n, struct call, node);

		next = list_next(&a->calls, n);
		if (is_stranded(c)) {
			c->lost = false;
			call_transmit(c);
		}
	}
}
