#include "sip/transaction/answered.h"

#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"
#include "sip/transaction/transaction.h"

/* The kept answers: a list in the order of their ends, two maps over hashes of keys, and one timer for the oldest. */

/* Kept small: on a busy registrar there are a hundred thousand of these. */
struct answer {
	struct map_node by_key, by_merge;
	struct list_node node; /* in answered.all */
	uint64_t key, merge;   /* their SipHash; merge only when it is in by_merge */
	uint64_t print;        /* of the request */
	int64_t until_ms;      /* Timer J */
	uint32_t n;            /* of octets */
	uint32_t room;         /* see answered_afford */
	uint8_t method, flow_n;
	bool merges;
	char octets[]; /* the packed flow, then the response */
};

struct answered {
	struct loop *loop;
	struct timer *timer_j;       /* runs until the end of the oldest one */
	struct map by_key, by_merge; /* their keys are the hashes */
	struct list all; /* in the order of their ends, which is that of adding, because Timer J is the same for all */
	size_t octets, max;
};

static void on_timer_j(void *arg);

struct answered *answered_new(struct loop *l, size_t octets)
{
	struct answered *a = mem_alloc(sizeof(*a));

	a->loop = l;
	a->max = octets;
	list_init(&a->all);
	a->timer_j = timer_new(l, on_timer_j, a);
	map_init(&a->by_key);
	map_init(&a->by_merge);
	return a;
}

static struct answer *oldest(const struct answered *a)
{
	struct list_node *n = list_first(&a->all);

	return n == NULL ? NULL : LIST_ENTRY(n, struct answer, node);
}

static size_t cost(const struct answer *x)
{
	return sizeof(*x) + x->n;
}

static void drop_oldest(struct answered *a)
{
	struct answer *x = oldest(a);

	list_remove(&x->node);
	map_remove(&a->by_key, &x->by_key);
	if (x->merges)
		map_remove(&a->by_merge, &x->by_merge);
	a->octets -= cost(x);
	mem_free(x);
}

void answered_free(struct answered *a)
{
	if (a == NULL)
		return;
	while (!list_is_empty(&a->all))
		drop_oldest(a);
	timer_free(a->timer_j);
	map_free(&a->by_key);
	map_free(&a->by_merge);
	mem_free(a);
}

static void wait(struct answered *a)
{
	const struct answer *first = oldest(a);
	int64_t left = first == NULL ? 0 : first->until_ms - loop_now_ms(a->loop);

	if (first == NULL)
		timer_stop(a->timer_j);
	else
		timer_start(a->timer_j, left > 0 ? (uint32_t)left : 0);
}

static void on_timer_j(void *arg)
{
	struct answered *a = arg;
	int64_t now = loop_now_ms(a->loop);

	while (!list_is_empty(&a->all) && oldest(a)->until_ms <= now)
		drop_oldest(a);
	wait(a);
}

void answered_add(struct answered *a, struct slice key, enum method method, uint64_t print, struct slice merge,
		  const struct flow *to, size_t room, struct slice response)
{
	struct buf flow = {0};
	struct answer *x;

	flow_pack(to, &flow);
	x = mem_alloc(sizeof(*x) + flow.n + response.n);
	x->n = (uint32_t)(flow.n + response.n);
	x->room = (uint32_t)room;
	x->method = (uint8_t)method;
	x->print = print;
	x->flow_n = (uint8_t)flow.n;
	x->until_ms = loop_now_ms(a->loop) + 64 * TX_T1_MS;
	memcpy(x->octets, flow.p, flow.n);
	memcpy(x->octets + flow.n, response.p, response.n);
	buf_free(&flow);
	x->key = map_hash(&a->by_key, key);
	map_add(&a->by_key, &x->by_key, slice_of(&x->key, sizeof(x->key)));
	x->merges = merge.p != NULL;
	if (x->merges) {
		x->merge = map_hash(&a->by_merge, merge);
		map_add(&a->by_merge, &x->by_merge, slice_of(&x->merge, sizeof(x->merge)));
	}
	list_add(&a->all, &x->node);
	a->octets += cost(x);
	/* May drop the new one, too, if it is larger than the budget. */
	while (a->octets > a->max)
		drop_oldest(a);
	/* A timer that runs for one that was dropped only looks too early. */
	if (list_is_empty(&a->all) || !timer_running(a->timer_j))
		wait(a);
}

static struct map_node *first(const struct map *m, struct slice key)
{
	uint64_t hash = map_hash(m, key);

	return map_find(m, slice_of(&hash, sizeof(hash)));
}

struct answer *answered_find(const struct answered *a, struct slice key, enum method method)
{
	for (struct map_node *n = first(&a->by_key, key); n != NULL; n = map_find_next(n)) {
		struct answer *x = MAP_ENTRY(n, struct answer, by_key);

		if (x->method == method)
			return x;
	}
	return NULL;
}

bool answered_is_of(const struct answer *x, uint64_t print)
{
	return x->print == print;
}

struct slice answered_octets(const struct answer *x, struct flow *to)
{
	if (flow_unpack(slice_of(x->octets, x->flow_n), to) != ERR_OK)
		abort(); /* it was packed here */
	return slice_of(x->octets + x->flow_n, x->n - x->flow_n);
}

bool answered_afford(struct answer *x, size_t came)
{
	size_t room = x->room + 2 * came, response = x->n - x->flow_n;
	bool enough = response <= room;

	if (enough)
		room -= response;
	x->room = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
	return enough;
}

bool answered_cancellable(const struct answered *a, struct slice key)
{
	for (struct map_node *n = first(&a->by_key, key); n != NULL; n = map_find_next(n))
		if (MAP_ENTRY(n, struct answer, by_key)->method != METHOD_CANCEL)
			return true;
	return false;
}

bool answered_merged(const struct answered *a, struct slice merge)
{
	return first(&a->by_merge, merge) != NULL;
}

unsigned answered_count(const struct answered *a)
{
	return (unsigned)a->by_key.count;
}
