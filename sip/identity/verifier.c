#include "sip/identity/verifier.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/list.h"
#include "core/mem.h"
#include "sip/identity/cert_cache.h"
#include "sip/identity/judge.h"
#include "sip/identity/replay.h"

/*
 * The way of one request (struct check):
 *
 *   verifier_check   steps on the request alone; a failure is told in the next turn
 *   find_certificate the cache has the certificate, or the check waits for a fetch
 *   with_certificate a worker takes the steps that need the certificate
 *   worker_done      437 or 438: look_again, once, and back to with_certificate when there is a newer certificate
 *   check_replay     only when all steps hold, since a forger must not fill the memory of replays
 *   tell             done() gets the verdict, and the check is freed
 */

/* One request that is being checked. It is owned by whatever it waits for: the cache, a worker, or decided. */
struct check {
	struct work_job job;
	struct cert_waiter waiter;
	struct list_node node; /* in verifier.decided */
	struct verifier *verifier;
	struct sip_msg *request;
	uint64_t id;
	verifier_fn done;
	void *arg;
	struct judge judge;  /* the steps and the verdict; the worker has it while the job runs */
	struct trust *trust; /* one reference, so that a reload does not take the anchors from the worker */
	struct buf der;      /* a copy, because the entry of the cache may change under the worker */
	struct flow source;
	bool has_source;
	bool looked_again; /* the URL was asked for a newer certificate */
	bool replayed;
};

struct verifier {
	struct verifier_deps d;
	struct cert_cache *cache;
	struct list decided; /* checks whose verdict turn tells, so that done never runs within verifier_check */
	struct timer *turn;
	struct replay *replay;
	unsigned checking; /* checks that are in workers */
};

static void on_turn(void *arg);

struct verifier *verifier_new(const struct verifier_deps *deps)
{
	struct verifier *v = mem_alloc(sizeof(*v));

	v->d = *deps;
	list_init(&v->decided);
	v->cache = cert_cache_new(&deps->fetch);
	v->turn = timer_new(deps->fetch.loop, on_turn, v);
	return v;
}

static void free_check(struct check *c)
{
	msg_unref(c->request);
	trust_unref(c->trust);
	judge_drop(&c->judge);
	buf_free(&c->der);
	mem_free(c);
}

/* take_decided: the oldest check whose verdict is to be told, or NULL. */
static struct check *take_decided(struct verifier *v)
{
	struct list_node *n = list_take(&v->decided);

	return n == NULL ? NULL : LIST_ENTRY(n, struct check, node);
}

void verifier_free(struct verifier *v)
{
	struct check *c;

	if (v == NULL)
		return;
	cert_cache_free(v->cache);
	while ((c = take_decided(v)) != NULL)
		free_check(c);
	timer_free(v->turn);
	mem_free(v);
}

/* --- verdicts --- */

/* refuse: a verdict that is not of a step. */
static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	c->judge.code = code;
	c->judge.reason = reason;
	va_start(ap, fmt);
	vsnprintf(c->judge.text, sizeof(c->judge.text), fmt, ap);
	va_end(ap);
}

static void tell(struct check *c)
{
	const struct judge *j = &c->judge;
	const struct verdict v = {.code = j->code, .reason = j->reason, .text = j->text, .replayed = c->replayed};

	c->done(c->arg, c->id, &v);
	free_check(c);
}

static void on_turn(void *arg)
{
	struct verifier *v = arg;
	struct check *c;

	while ((c = take_decided(v)) != NULL)
		tell(c);
}

static void tell_later(struct check *c)
{
	struct verifier *v = c->verifier;

	list_add(&v->decided, &c->node);
	timer_start(v->turn, 0);
}

/* --- the steps that need a certificate, in a worker --- */

static void run(struct work_job *job, unsigned worker)
{
	struct check *c = (struct check *)(void *)job;

	(void)worker;
	if (judge_steps(&c->judge, JUDGE_CERTIFICATE, JUDGE_LIFE))
		c->judge.code = 0;
}

/* --- replays, in the loop --- */

/*
 * check_replay: RFC 4474 13.1. A full memory is 503 and not acceptance, because what is not remembered could be
 * replayed.
 */
static void check_replay(struct check *c)
{
	const struct verifier_deps *d = &c->verifier->d;
	const struct sip_msg *m = c->request;
	const struct replay_key key = {.from = m->from.spec,
				       .domain = uri_domain(&m->from.uri),
				       .call_id = m->call_id,
				       .method = m->method_name,
				       .cseq = m->cseq};

	switch (replay_enter(d->replay, &key, loop_now_ms(d->fetch.loop), loop_wall_s(d->fetch.loop))) {
	case ERR_OK:
		break;
	case ERR_EXISTS:
		c->replayed = true;
		refuse(c, 403, "Replayed Request", "the same signed request was here before");
		break;
	default:
		refuse(c, 503, NULL,
		       "too many signed requests within two hours, of all or of this domain, to tell replays");
		break;
	}
}

/* --- the certificate --- */

static void worker_done(struct work_job *job);

static void with_certificate(struct check *c, struct slice der)
{
	struct verifier *v = c->verifier;
	const struct settings *settings = v->d.fetch.settings;

	buf_clear(&c->der);
	buf_add(&c->der, der);
	trust_unref(c->trust);
	c->trust = trust_ref(settings->trust);
	cert_free(c->judge.cert); /* the one of the first look */
	c->judge.cert = NULL;
	c->judge.der = buf_slice(&c->der);
	c->judge.trust = c->trust;
	c->judge.now_s = loop_wall_s(v->d.fetch.loop);
	c->judge.wildcard = settings->config.identity_wildcard;
	c->judge.date_skew_s = settings->config.identity_date_skew;
	c->job = (struct work_job){.run = run, .done = worker_done};
	if (v->checking < v->d.checking_max && work_submit(v->d.work, &c->job) == ERR_OK) {
		v->checking++;
		return;
	}
	refuse(c, 503, NULL, "too many signatures to check at once");
	tell_later(c);
}

static void without_certificate(struct check *c, const char *why)
{
	refuse(c, 436, NULL, "%.*s cannot be fetched: %s", c->judge.url.n < 150 ? (int)c->judge.url.n : 150,
	       c->judge.url.p, why);
	tell_later(c);
}

static void on_certificate(struct cert_waiter *w, struct slice der, const char *why)
{
	struct check *c = (struct check *)(void *)((char *)w - offsetof(struct check, waiter));

	if (der.n > 0)
		with_certificate(c, der);
	else if (why != NULL)
		without_certificate(c, why);
	else
		free_check(c); /* why NULL: the cache is being freed */
}

static void find_certificate(struct check *c)
{
	struct slice der;
	const char *why;

	c->waiter.done = on_certificate;
	switch (cert_cache_ask(c->verifier->cache, c->judge.url, c->has_source ? &c->source : NULL, &c->waiter, &der,
			       &why)) {
	case ERR_OK:
		with_certificate(c, der);
		break;
	case ERR_AGAIN:
		break;
	case ERR_BUSY:
		refuse(c, 503, NULL, "%s", why);
		tell_later(c);
		break;
	default:
		without_certificate(c, why);
	}
}

/*
 * look_again: the domain may have put a new certificate where the cached one was. Before the request is refused, the
 * URL is asked once more. true: the check goes on, or waits; false: the verdict stands.
 */
static bool look_again(struct check *c)
{
	struct slice der;
	enum err e;

	if (c->looked_again || (c->judge.code != 437 && c->judge.code != 438))
		return false;
	e = cert_cache_again(c->verifier->cache, c->judge.url, buf_slice(&c->der), c->has_source ? &c->source : NULL,
			     &c->waiter, &der);
	if (e != ERR_OK && e != ERR_AGAIN)
		return false;
	c->looked_again = true;
	c->judge.code = 0;
	c->judge.text[0] = '\0';
	if (e == ERR_OK)
		with_certificate(c, der);
	return true;
}

static void worker_done(struct work_job *job)
{
	struct check *c = (struct check *)(void *)job;
	struct verifier *v = c->verifier;

	v->checking--;
	if (look_again(c))
		return;
	/* 403 comes from DATE, which is behind SIGNATURE: the certificate has proved a signature then, too. */
	if (c->judge.code == 0 || c->judge.code == 403)
		cert_cache_proved(v->cache, c->judge.url, buf_slice(&c->der));
	if (c->judge.code == 0)
		check_replay(c);
	tell(c);
}

void verifier_check(struct verifier *v, struct sip_msg *m, const struct flow *source, uint64_t id, verifier_fn done,
		    void *arg)
{
	struct check *c = mem_alloc(sizeof(*c));

	c->verifier = v;
	c->request = msg_ref(m);
	c->has_source = source != NULL;
	if (source != NULL)
		c->source = *source;
	c->id = id;
	c->done = done;
	c->arg = arg;
	c->judge.m = m;
	if (judge_steps(&c->judge, JUDGE_IDENTITY, JUDGE_FROM)) {
		c->judge.source = c->judge.url;
		find_certificate(c);
	} else {
		tell_later(c);
	}
}
