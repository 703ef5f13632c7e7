#include "sip/service/verifier.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/map.h"
#include "core/mem.h"
#include "crypto/cert.h"
#include "sip/message/digest_string.h"
#include "sip/service/identity.h"
#include "sip/service/replay.h"

#define CACHE_MAX 64        /* domain certificates that are kept */
#define CACHE_S (24 * 3600) /* for so long at most */
#define AGAIN_S 60          /* a URL is not asked again before, whether it failed or what it gave did */

/* A domain certificate, or the failure to get one. */
struct entry {
	struct map_node node;
	struct verifier *verifier;
	char *url;
	struct buf der;      /* empty: it failed, see why */
	char why[200];       /* a clause */
	int64_t until_ms;    /* monotonic, as asked_ms */
	int64_t asked_ms;    /* when the last answer came */
	struct fetch *fetch; /* under way */
};

/* One request that is being checked. */
struct check {
	struct work_job job;
	struct check *next; /* in one of the lists of the verifier */
	struct verifier *verifier;
	struct sip_msg *request;
	uint64_t id;
	verifier_fn done;
	void *arg;
	enum hash_alg alg;
	int64_t date_s;
	uint8_t digest[HASH_MAX];
	struct buf sig, url, der;
	int64_t now_s;     /* when the worker looks */
	bool looked_again; /* for another certificate at the same URL */
	/* The verdict. */
	unsigned code;
	const char *reason;
	char text[320];
};

/* Checks in the order in which they were asked for: an older NOTIFY of a dialog is not to overtake a newer one. */
struct queue {
	struct check *first, *last;
};

struct verifier {
	struct verifier_deps d;
	struct map cache;
	struct queue waiting; /* for a certificate */
	struct queue decided; /* their verdicts are told by the timer: never from within verifier_check */
	struct timer *turn;
	struct replay *replay;
};

static void queue_put(struct queue *q, struct check *c)
{
	c->next = NULL;
	if (q->last != NULL)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
}

/* NULL: it is empty. */
static struct check *queue_take(struct queue *q)
{
	struct check *c = q->first;

	if (c != NULL)
		q->first = c->next;
	if (q->first == NULL)
		q->last = NULL;
	return c;
}

static void on_turn(void *arg);

struct verifier *verifier_new(const struct verifier_deps *deps)
{
	struct verifier *v = mem_alloc(sizeof(*v));

	v->d = *deps;
	map_init(&v->cache);
	v->turn = timer_new(deps->fetch.loop, on_turn, v);
	v->replay = replay_new(deps->replay_max);
	return v;
}

static void free_check(struct check *c)
{
	msg_unref(c->request);
	buf_free(&c->sig);
	buf_free(&c->url);
	buf_free(&c->der);
	mem_free(c);
}

static void free_entry(struct entry *e)
{
	map_remove(&e->verifier->cache, &e->node);
	buf_free(&e->der);
	mem_free(e->url);
	mem_free(e);
}

void verifier_free(struct verifier *v)
{
	struct map_node *n;
	struct check *c;

	if (v == NULL)
		return;
	while ((n = map_first(&v->cache)) != NULL) {
		struct entry *e = MAP_ENTRY(n, struct entry, node);

		if (e->fetch != NULL)
			fetch_free(e->fetch);
		free_entry(e);
	}
	while ((c = queue_take(&v->waiting)) != NULL || (c = queue_take(&v->decided)) != NULL)
		free_check(c);
	timer_free(v->turn);
	map_free(&v->cache);
	replay_free(v->replay);
	mem_free(v);
}

/* --- verdicts --- */

static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	c->code = code;
	c->reason = reason;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
}

static void tell(struct check *c)
{
	const struct verdict v = {.code = c->code, .reason = c->reason, .text = c->text};

	c->done(c->arg, c->id, &v);
	free_check(c);
}

static void on_turn(void *arg)
{
	struct verifier *v = arg;
	struct check *c;

	while ((c = queue_take(&v->decided)) != NULL)
		tell(c);
}

static void tell_later(struct check *c)
{
	queue_put(&c->verifier->decided, c);
	timer_start(c->verifier->turn, 0);
}

/* --- steps 1 to 3, in a worker --- */

static bool signature_fits(struct check *c, const struct cert *cert)
{
	struct key *key = NULL;

	if (cert_key_kind(cert) != KEY_RSA)
		refuse(c, 437, NULL, "the domain certificate has no RSA key");
	else if (!cert_usage_allows(cert, CERT_DIGITAL_SIGNATURE))
		refuse(c, 437, NULL, "the key usage of the domain certificate does not allow signatures");
	else if (cert_public_key(cert, &key) != ERR_OK)
		refuse(c, 437, NULL, "the key of the domain certificate cannot be used");
	else if (key_verify(key, c->alg, c->digest, buf_slice(&c->sig)) != ERR_OK)
		refuse(c, 438, NULL, "the signature does not fit the message: it was changed on its way, or forged");
	key_free(key);
	return c->code == 0;
}

static void run(struct work_job *job, unsigned worker)
{
	struct check *c = (struct check *)(void *)job;
	const struct verifier_deps *d = &c->verifier->d;
	struct slice domain = c->request->from.uri.host;
	struct cert *cert = NULL;
	enum trust_verdict t;
	enum err e;

	(void)worker;
	e = cert_read(buf_slice(&c->der), &cert);
	if (e != ERR_OK) {
		refuse(c, e == ERR_UNSUPPORTED ? 437 : 436, NULL, "what %.*s holds is %s",
		       SLICE_ARG(buf_slice(&c->url)),
		       e == ERR_UNSUPPORTED ? "a certificate of a kind that is not taken" : "not a DER certificate");
		return;
	}
	t = trust_check(d->trust, cert, NULL, 0, c->now_s, false);
	if (t != TRUST_OK)
		refuse(c, 437, NULL, "the domain certificate cannot be trusted: %s",
		       t == TRUST_UNTRUSTED && cert_is_self_signed(cert) ? "it is self-signed" : trust_str(t));
	else if (!cert_matches_host(cert, domain, d->wildcard))
		refuse(c, 437, NULL, "the domain certificate is not for %.*s, the domain of From", SLICE_ARG(domain));
	else if (signature_fits(c, cert) && (c->date_s < cert_not_before(cert) || c->date_s > cert_not_after(cert)))
		refuse(c, 437, NULL, "Date is outside of the life of the domain certificate");
	cert_free(cert);
}

/* --- step 4, in the loop --- */

static void check_time_and_replay(struct check *c)
{
	const struct verifier_deps *d = &c->verifier->d;
	const struct sip_msg *m = c->request;
	const struct replay_key key = {
		.from = m->from.spec, .call_id = m->call_id, .method = m->method_name, .cseq = m->cseq};
	int64_t now = loop_wall_s(d->fetch.loop);

	if (c->date_s < now - d->date_skew_s || c->date_s > now + d->date_skew_s) {
		refuse(c, 403, "Stale Date", "Date is %lld seconds off the clock here, and %u are allowed",
		       (long long)(c->date_s - now), d->date_skew_s);
		return;
	}
	switch (replay_enter(c->verifier->replay, &key, loop_now_ms(d->fetch.loop))) {
	case ERR_OK:
		break;
	case ERR_EXISTS:
		refuse(c, 403, "Replayed Request", "the same signed request was here before");
		break;
	default:
		refuse(c, 503, NULL, "too many signed requests within two hours to tell replays");
		break;
	}
}

/* --- the certificate --- */

static void worker_done(struct work_job *job);

static void with_certificate(struct check *c, const struct entry *e)
{
	if (e->der.n == 0) {
		refuse(c, 436, NULL, "%.150s cannot be fetched: %s", e->url, e->why);
		tell_later(c);
		return;
	}
	buf_add(&c->der, buf_slice(&e->der));
	c->now_s = loop_wall_s(c->verifier->d.fetch.loop);
	c->job = (struct work_job){.run = run, .done = worker_done};
	if (work_submit(c->verifier->d.fetch.work, &c->job) != ERR_OK) {
		refuse(c, 503, NULL, "too many signatures to check at once");
		tell_later(c);
	}
}

static void on_fetched(void *arg, struct slice body, const char *why)
{
	struct entry *e = arg;
	struct verifier *v = e->verifier;
	struct queue all = v->waiting;
	struct check *c;

	e->fetch = NULL;
	e->asked_ms = loop_now_ms(v->d.fetch.loop);
	if (body.n > 0) {
		buf_clear(&e->der);
		buf_add(&e->der, body);
		e->until_ms = e->asked_ms + CACHE_S * INT64_C(1000);
	} else if (e->der.n == 0) {
		snprintf(e->why, sizeof(e->why), "%s", why != NULL ? why : "the answer is empty");
		e->until_ms = e->asked_ms + AGAIN_S * INT64_C(1000);
	}
	v->waiting = (struct queue){0};
	while ((c = queue_take(&all)) != NULL) {
		if (slice_eq(buf_slice(&c->url), slice_str(e->url)))
			with_certificate(c, e);
		else
			queue_put(&v->waiting, c);
	}
}

/*
 * The domain may have a new certificate where the cached one was: it is asked for once more before the message is
 * refused. What is cached stays if that fails, and a forger can make us ask only once in a while.
 */
static bool look_again(struct check *c)
{
	struct verifier *v = c->verifier;
	struct map_node *n = map_find(&v->cache, buf_slice(&c->url));
	struct entry *e = n == NULL ? NULL : MAP_ENTRY(n, struct entry, node);
	bool same = e != NULL && slice_eq(buf_slice(&e->der), buf_slice(&c->der));

	if (e == NULL || c->looked_again || (c->code != 437 && c->code != 438))
		return false;
	if (same && e->fetch == NULL) {
		if (loop_now_ms(v->d.fetch.loop) < e->asked_ms + AGAIN_S * INT64_C(1000))
			return false;
		e->fetch = fetch_start(&v->d.fetch, slice_str(e->url), on_fetched, e);
	}
	c->looked_again = true;
	c->code = 0;
	c->text[0] = '\0';
	buf_clear(&c->der);
	if (e->fetch != NULL)
		queue_put(&v->waiting, c);
	else
		with_certificate(c, e);
	return true;
}

static void worker_done(struct work_job *job)
{
	struct check *c = (struct check *)(void *)job;

	if (look_again(c))
		return;
	if (c->code == 0)
		check_time_and_replay(c);
	tell(c);
}

/* Room for one more: what is over goes, else the one that would go first. false: all are being fetched. */
static bool make_room(struct verifier *v, int64_t now)
{
	struct entry *first = NULL;

	for (struct map_node *n = map_first(&v->cache), *next; n != NULL; n = next) {
		struct entry *e = MAP_ENTRY(n, struct entry, node);

		next = map_next(&v->cache, n);
		if (e->fetch != NULL)
			continue;
		if (e->until_ms <= now)
			free_entry(e);
		else if (first == NULL || e->until_ms < first->until_ms)
			first = e;
	}
	if (v->cache.count >= CACHE_MAX && first != NULL)
		free_entry(first);
	return v->cache.count < CACHE_MAX;
}

static void find_certificate(struct check *c)
{
	struct verifier *v = c->verifier;
	int64_t now = loop_now_ms(v->d.fetch.loop);
	struct map_node *n = map_find(&v->cache, buf_slice(&c->url));
	struct entry *e = n == NULL ? NULL : MAP_ENTRY(n, struct entry, node);

	if (e != NULL && e->fetch == NULL && e->until_ms > now) {
		with_certificate(c, e);
		return;
	}
	if (e != NULL && e->fetch == NULL) {
		free_entry(e);
		e = NULL;
	}
	if (e == NULL) {
		if (!make_room(v, now)) {
			refuse(c, 503, NULL, "too many certificates are being fetched at once");
			tell_later(c);
			return;
		}
		e = mem_alloc(sizeof(*e));
		e->verifier = v;
		e->url = slice_dup(buf_slice(&c->url));
		map_add(&v->cache, &e->node, slice_str(e->url));
		e->fetch = fetch_start(&v->d.fetch, slice_str(e->url), on_fetched, e);
	}
	queue_put(&v->waiting, c);
}

/* --- what the message says --- */

static bool read_identity(struct check *c)
{
	enum identity_fault f = identity_read(c->request, &c->sig);

	if (f != IDENTITY_FINE)
		refuse(c, identity_fault_code(f), NULL, "%s", identity_fault_str(f));
	return f == IDENTITY_FINE;
}

static bool read_info(struct check *c)
{
	struct slice s = msg_value(c->request, HDR_IDENTITY_INFO), url, alg;
	struct fetch_url parts;

	if (s.p == NULL)
		refuse(c, 436, NULL, "there is no Identity-Info header field: no certificate to check with");
	else if (identity_info_parse(s, &url, &alg) != ERR_OK)
		refuse(c, 436, NULL, "the Identity-Info header field is malformed");
	else if (!fetch_url(url, &parts))
		refuse(c, 436, NULL, "Identity-Info names no http or https URL");
	else if (alg.n == 0)
		refuse(c, 436, NULL, "Identity-Info names no algorithm");
	else if (!identity_alg(alg, &c->alg))
		refuse(c, 437, NULL, "Identity-Info names the algorithm %.*s, which is unknown",
		       alg.n < 40 ? (int)alg.n : 40, alg.p);
	if (c->code == 0)
		buf_add(&c->url, url);
	return c->code == 0;
}

static bool read_signed(struct check *c)
{
	struct digest_string ds;

	switch (digest_string(c->request, &ds)) {
	case ERR_OK:
		break;
	case ERR_NOTFOUND:
		refuse(c, 400, "Missing Date Header Field", "there is no Date");
		return false;
	default:
		refuse(c, 400, "Bad Date Or Contact Header Field", "Date or Contact cannot be read");
		return false;
	}
	if (c->request->from.uri.scheme == URI_OTHER) {
		refuse(c, 437, NULL, "From is no SIP URI: no domain vouches for it");
		return false;
	}
	c->date_s = ds.date_s;
	hash_parts(c->alg, ds.parts, DIGEST_STRING_PARTS, c->digest);
	return true;
}

void verifier_check(struct verifier *v, struct sip_msg *m, uint64_t id, verifier_fn done, void *arg)
{
	struct check *c = mem_alloc(sizeof(*c));

	c->verifier = v;
	c->request = msg_ref(m);
	c->id = id;
	c->done = done;
	c->arg = arg;
	if (read_identity(c) && read_info(c) && read_signed(c))
		find_certificate(c);
	else
		tell_later(c);
}
