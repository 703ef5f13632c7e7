#include "sip/service/cert_cache.h"

#include <stdio.h>

#include "core/map.h"
#include "core/mem.h"
#include "core/rate.h"

#define EVERYBODY S("*")
#define ALL_A_MINUTE 600
#define ALL_AT_ONCE 20
#define SOURCE_A_MINUTE 60
#define SOURCE_AT_ONCE 10
#define HOST_A_MINUTE 60
#define HOST_AT_ONCE 5

/* A domain certificate, or the failure to get one. */
struct entry {
	struct map_node node;
	struct cert_cache *cache;
	char *url;
	struct buf der;      /* empty: it failed, see why */
	char why[200];       /* a clause */
	int64_t until_ms;    /* monotonic, as asked_ms */
	int64_t asked_ms;    /* when the last answer came */
	struct fetch *fetch; /* under way */
	struct peer source;  /* of the request that it is for */
	struct cert_waiter *first, **last;
	unsigned waiters;
};

struct cert_cache {
	struct fetch_deps d;
	struct map entries;
	struct rate *all, *by_source, *by_host;
};

struct cert_cache *cert_cache_new(const struct fetch_deps *deps)
{
	struct cert_cache *c = mem_alloc(sizeof(*c));

	c->d = *deps;
	map_init(&c->entries);
	c->all = rate_new(ALL_A_MINUTE, ALL_AT_ONCE);
	c->by_source = rate_new(SOURCE_A_MINUTE, SOURCE_AT_ONCE);
	c->by_host = rate_new(HOST_A_MINUTE, HOST_AT_ONCE);
	return c;
}

void cert_cache_tls(struct cert_cache *c, struct tls_config *client_tls)
{
	c->d.tls = client_tls;
}

static void drop(struct entry *e)
{
	map_remove(&e->cache->entries, &e->node);
	buf_free(&e->der);
	mem_free(e->url);
	mem_free(e);
}

static void tell(struct entry *e, struct slice der, const char *why)
{
	struct cert_waiter *w = e->first;

	e->first = NULL;
	e->waiters = 0;
	while (w != NULL) {
		struct cert_waiter *next = w->next;

		w->done(w, der, why);
		w = next;
	}
}

void cert_cache_free(struct cert_cache *c)
{
	struct map_node *n;

	if (c == NULL)
		return;
	while ((n = map_first(&c->entries)) != NULL) {
		struct entry *e = MAP_ENTRY(n, struct entry, node);

		if (e->fetch != NULL)
			fetch_free(e->fetch);
		e->fetch = NULL;
		tell(e, SLICE_NONE, NULL);
		drop(e);
	}
	map_free(&c->entries);
	rate_free(c->all);
	rate_free(c->by_source);
	rate_free(c->by_host);
	mem_free(c);
}

/* --- fetching --- */

static void on_fetched(void *arg, struct slice body, const char *why)
{
	struct entry *e = arg;

	e->fetch = NULL;
	e->asked_ms = loop_now_ms(e->cache->d.loop);
	if (body.n > 0) {
		buf_clear(&e->der);
		buf_add(&e->der, body);
		e->until_ms = e->asked_ms + CACHE_AGAIN_S * INT64_C(1000);
	} else if (e->der.n == 0) {
		snprintf(e->why, sizeof(e->why), "%s", why != NULL ? why : "the answer is empty");
		e->until_ms = e->asked_ms + CACHE_AGAIN_S * INT64_C(1000);
	}
	tell(e, buf_slice(&e->der), e->why);
}

static bool may_fetch(struct cert_cache *c, struct slice url, const struct peer *source)
{
	int64_t now = loop_now_ms(c->d.loop);
	unsigned all = 0, of = 0;
	struct fetch_url parts;

	for (struct map_node *n = map_first(&c->entries); n != NULL; n = map_next(&c->entries, n)) {
		const struct entry *e = MAP_ENTRY(n, struct entry, node);

		all += e->fetch != NULL;
		of += e->fetch != NULL && slice_eq(peer_prefix(&e->source), peer_prefix(source));
	}
	if (all >= CACHE_FETCHES || of >= CACHE_FETCHES_OF || !fetch_url(url, &parts))
		return false;
	/* What one source is refused is not taken from the others. */
	return rate_take(c->by_source, peer_prefix(source), now) && rate_take(c->by_host, parts.host, now) &&
	       rate_take(c->all, EVERYBODY, now);
}

static void fetch(struct entry *e, const struct peer *source)
{
	e->source = source != NULL ? *source : (struct peer){0};
	e->last = &e->first;
	e->fetch = fetch_start(&e->cache->d, slice_str(e->url), on_fetched, e);
}

static bool enlist(struct entry *e, struct cert_waiter *w)
{
	if (e->waiters >= CACHE_WAITERS)
		return false;
	w->next = NULL;
	*e->last = w;
	e->last = &w->next;
	e->waiters++;
	return true;
}

/* --- asking --- */

static struct entry *find(const struct cert_cache *c, struct slice url)
{
	struct map_node *n = map_find(&c->entries, url);

	return n == NULL ? NULL : MAP_ENTRY(n, struct entry, node);
}

/* Room for one more: what is over goes, else the one that would go first. What is not proved lives short. */
static bool make_room(struct cert_cache *c)
{
	int64_t now = loop_now_ms(c->d.loop);
	struct entry *first = NULL;

	if (c->entries.count < CACHE_MAX)
		return true;
	for (struct map_node *n = map_first(&c->entries), *next; n != NULL; n = next) {
		struct entry *e = MAP_ENTRY(n, struct entry, node);

		next = map_next(&c->entries, n);
		if (e->fetch != NULL)
			continue;
		if (e->until_ms <= now)
			drop(e);
		else if (first == NULL || e->until_ms < first->until_ms)
			first = e;
	}
	if (c->entries.count >= CACHE_MAX && first != NULL)
		drop(first);
	return c->entries.count < CACHE_MAX;
}

enum err cert_cache_ask(struct cert_cache *c, struct slice url, const struct peer *source, struct cert_waiter *w,
			struct slice *der, const char **why)
{
	struct entry *e = find(c, url);

	*why = "too many certificates are being fetched";
	if (e != NULL && e->fetch != NULL)
		return enlist(e, w) ? ERR_AGAIN : ERR_BUSY;
	if (e != NULL && e->until_ms > loop_now_ms(c->d.loop)) {
		*der = buf_slice(&e->der);
		*why = e->why;
		return e->der.n > 0 ? ERR_OK : ERR_NOTFOUND;
	}
	if (source != NULL && !may_fetch(c, url, source))
		return ERR_BUSY;
	if (e != NULL)
		drop(e);
	if (!make_room(c))
		return ERR_BUSY;
	e = mem_alloc(sizeof(*e));
	e->cache = c;
	e->url = slice_dup(url);
	map_add(&c->entries, &e->node, slice_str(e->url));
	fetch(e, source);
	return enlist(e, w) ? ERR_AGAIN : ERR_BUSY;
}

enum err cert_cache_again(struct cert_cache *c, struct slice url, struct slice used, const struct peer *source,
			  struct cert_waiter *w, struct slice *der)
{
	struct entry *e = find(c, url);

	if (e == NULL)
		return ERR_NOTFOUND;
	if (e->fetch == NULL && !slice_eq(buf_slice(&e->der), used) && e->der.n > 0) {
		*der = buf_slice(&e->der);
		return ERR_OK;
	}
	if (e->fetch == NULL) {
		/* A forger can make us ask only once in a while. */
		if (loop_now_ms(c->d.loop) < e->asked_ms + CACHE_AGAIN_S * INT64_C(1000) ||
		    (source != NULL && !may_fetch(c, url, source)))
			return ERR_NOTFOUND;
		fetch(e, source);
	}
	return enlist(e, w) ? ERR_AGAIN : ERR_NOTFOUND;
}

void cert_cache_proved(struct cert_cache *c, struct slice url, struct slice der)
{
	struct entry *e = find(c, url);

	if (e != NULL && slice_eq(buf_slice(&e->der), der))
		e->until_ms = e->asked_ms + CACHE_S * INT64_C(1000);
}
