#include "sip/identity/cert_cache.h"

#include <stdio.h>

#include "core/map.h"
#include "core/mem.h"
#include "core/rate.h"

/*
 * The states of an entry, by its fields:
 *
 *   fetching   fetch is set, waiting has those who asked meanwhile
 *   fresh      until_ms is ahead: der is given out, or, when der is empty, why
 *   stale      until_ms is over: the next request fetches again; a proved der is used when limits forbid that
 */

/* Keys and sizes of the token buckets for fetches (core/rate.h). */
#define EVERYBODY S("*")
#define BY_UDP S("udp")
#define ALL_A_MINUTE 600
#define ALL_AT_ONCE 20
#define UDP_A_MINUTE 300
#define UDP_AT_ONCE 10
#define SOURCE_A_MINUTE 60
#define SOURCE_AT_ONCE 10

/* What is known about one URL: a domain certificate, or the failure to get one. */
struct entry {
	struct map_node node;
	struct cert_cache *cache;
	char *url;
	struct buf der;      /* empty: it failed, see why */
	char why[200];       /* why the last fetch failed, a clause */
	bool proved;         /* der has verified a signature */
	int64_t until_ms;    /* when it stops being fresh; monotonic, like the two below */
	int64_t got_ms;      /* when der came */
	int64_t asked_ms;    /* when the last answer came, whatever it was */
	struct fetch *fetch; /* NULL: none is under way */
	struct list waiting;
	unsigned waiters;
};

/* Room for one fetch, until it holds no connection and no thread. Its URL may have been answered long before. */
struct slot {
	bool held;
	struct flow source;
};

struct cert_cache {
	struct fetch_deps d;
	struct map entries;
	struct slot slots[CACHE_FETCHES];
	struct rate *all, *by_source, *udp;
};

struct cert_cache *cert_cache_new(const struct fetch_deps *deps)
{
	struct cert_cache *c = mem_alloc(sizeof(*c));

	c->d = *deps;
	map_init(&c->entries);
	c->all = rate_new(ALL_A_MINUTE, ALL_AT_ONCE);
	c->by_source = rate_new(SOURCE_A_MINUTE, SOURCE_AT_ONCE);
	c->udp = rate_new(UDP_A_MINUTE, UDP_AT_ONCE);
	return c;
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
	struct list told;
	struct list_node *n;

	list_move(&e->waiting, &told);
	e->waiters = 0;
	while ((n = list_take(&told)) != NULL) {
		struct cert_waiter *w = LIST_ENTRY(n, struct cert_waiter, node);

		w->done(w, der, why);
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
	rate_free(c->udp);
	mem_free(c);
}

/* --- fetching --- */

/*
 * on_fetched: a success replaces der, which has to prove itself unless it is the same as before. A failure leaves der
 * and proved alone, so that the waiters still get the older certificate.
 */
static void on_fetched(void *arg, struct slice body, const char *why)
{
	struct entry *e = arg;
	int64_t now = loop_now_ms(e->cache->d.loop);

	e->fetch = NULL;
	e->asked_ms = now;
	e->until_ms = now + CACHE_AGAIN_S * INT64_C(1000);
	if (body.n > 0) {
		e->proved = e->proved && slice_eq(buf_slice(&e->der), body);
		e->got_ms = now;
		buf_clear(&e->der);
		buf_add(&e->der, body);
	} else {
		snprintf(e->why, sizeof(e->why), "%s", why != NULL ? why : "the answer is empty");
	}
	tell(e, buf_slice(&e->der), e->why);
}

static bool is_udp(const struct flow *f)
{
	return f->proto == PROTO_UDP;
}

static bool same_source(const struct flow *a, const struct flow *b)
{
	return is_udp(a) == is_udp(b) && (is_udp(a) || slice_eq(peer_prefix(&a->remote), peer_prefix(&b->remote)));
}

/* find_slot: room for a fetch of this source. NULL: the source has too many under way, or all together have. */
static struct slot *find_slot(struct cert_cache *c, const struct flow *source)
{
	struct slot *free_one = NULL;
	unsigned of = 0;

	for (unsigned i = 0; i < CACHE_FETCHES; i++) {
		if (!c->slots[i].held)
			free_one = &c->slots[i];
		else
			of += same_source(&c->slots[i].source, source);
	}
	return of < (is_udp(source) ? CACHE_FETCHES_UDP : CACHE_FETCHES_OF) ? free_one : NULL;
}

/* may_ask: the bucket of the source comes first, so that what is refused to it takes nothing from the others. */
static bool may_ask(struct cert_cache *c, const struct flow *source)
{
	int64_t now = loop_now_ms(c->d.loop);

	return (is_udp(source) ? rate_take(c->udp, BY_UDP, now)
			       : rate_take(c->by_source, peer_prefix(&source->remote), now)) &&
	       rate_take(c->all, EVERYBODY, now);
}

/* fetch: begins one. false: the limits forbid it now. */
static bool fetch(struct entry *e, const struct flow *source)
{
	struct cert_cache *c = e->cache;
	struct slot *slot = source != NULL ? find_slot(c, source) : NULL;

	if (source != NULL && (slot == NULL || !may_ask(c, source)))
		return false;
	e->fetch = fetch_start(&c->d, slice_str(e->url), on_fetched, e);
	if (slot != NULL) {
		slot->source = *source;
		fetch_counts(e->fetch, &slot->held);
	}
	return true;
}

static bool enlist(struct entry *e, struct cert_waiter *w)
{
	if (e->waiters >= CACHE_WAITERS)
		return false;
	list_add(&e->waiting, &w->node);
	e->waiters++;
	return true;
}

/* --- asking --- */

static struct entry *find(const struct cert_cache *c, struct slice url)
{
	struct map_node *n = map_find(&c->entries, url);

	return n == NULL ? NULL : MAP_ENTRY(n, struct entry, node);
}

/*
 * make_room: drops all stale entries, and if that is not enough, the one that would become stale first. Entries that
 * never proved anything live shortest, so strangers push out each other first. false: all entries are being fetched.
 */
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

static struct entry *add(struct cert_cache *c, struct slice url)
{
	struct entry *e = mem_alloc(sizeof(*e));

	e->cache = c;
	e->url = slice_dup(url);
	list_init(&e->waiting);
	map_add(&c->entries, &e->node, slice_str(e->url));
	return e;
}

enum err cert_cache_ask(struct cert_cache *c, struct slice url, const struct flow *source, struct cert_waiter *w,
			struct slice *der, const char **why)
{
	struct entry *e = find(c, url);
	bool fresh = e != NULL && e->until_ms > loop_now_ms(c->d.loop);

	*why = "too many certificates are being fetched"; /* for each ERR_BUSY below */
	if (e == NULL && !make_room(c))
		return ERR_BUSY;
	if (e == NULL)
		e = add(c, url);
	/* Nobody waits for an entry without a fetch, so it may be dropped. */
	if (e->fetch == NULL && !fresh && !fetch(e, source) && !e->proved) {
		drop(e);
		return ERR_BUSY;
	}
	if (e->fetch != NULL)
		return enlist(e, w) ? ERR_AGAIN : ERR_BUSY;
	*der = buf_slice(&e->der);
	*why = e->why;
	return e->der.n > 0 ? ERR_OK : ERR_NOTFOUND;
}

enum err cert_cache_again(struct cert_cache *c, struct slice url, struct slice used, const struct flow *source,
			  struct cert_waiter *w, struct slice *der)
{
	struct entry *e = find(c, url);

	if (e == NULL)
		return ERR_NOTFOUND;
	if (e->fetch == NULL && !slice_eq(buf_slice(&e->der), used) && e->der.n > 0) {
		*der = buf_slice(&e->der);
		return ERR_OK;
	}
	/* A forged request leads here, too, so a URL is asked at most once in CACHE_AGAIN_S. */
	if (e->fetch == NULL &&
	    (loop_now_ms(c->d.loop) < e->asked_ms + CACHE_AGAIN_S * INT64_C(1000) || !fetch(e, source)))
		return ERR_NOTFOUND;
	return enlist(e, w) ? ERR_AGAIN : ERR_NOTFOUND;
}

void cert_cache_proved(struct cert_cache *c, struct slice url, struct slice der)
{
	struct entry *e = find(c, url);
	int64_t until_ms;

	if (e == NULL || !slice_eq(buf_slice(&e->der), der))
		return;
	e->proved = true;
	until_ms = e->got_ms + CACHE_S * INT64_C(1000);
	if (e->until_ms < until_ms)
		e->until_ms = until_ms;
}
