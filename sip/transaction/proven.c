#include "sip/transaction/proven.h"

#include <string.h>

#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"

/* A map over the octets of the addresses, ports aside, and a list in the order in which they were proven last. */

#define LIFE_MS (3600 * INT64_C(1000))

struct place {
	struct map_node node;
	struct list_node by_age;
	int64_t until_ms;
	uint8_t n, octets[16];
};

struct proven {
	struct loop *loop;
	struct map by_address;
	struct list by_age; /* the oldest first */
};

struct proven *proven_new(struct loop *l)
{
	struct proven *p = mem_alloc(sizeof(*p));

	p->loop = l;
	map_init(&p->by_address);
	list_init(&p->by_age);
	return p;
}

static void drop_oldest(struct proven *p)
{
	struct place *oldest = LIST_ENTRY(list_first(&p->by_age), struct place, by_age);

	list_remove(&oldest->by_age);
	map_remove(&p->by_address, &oldest->node);
	mem_free(oldest);
}

void proven_free(struct proven *p)
{
	if (p == NULL)
		return;
	while (!list_is_empty(&p->by_age))
		drop_oldest(p);
	map_free(&p->by_address);
	mem_free(p);
}

static struct place *find(const struct proven *p, const struct peer *at)
{
	struct map_node *n = map_find(&p->by_address, peer_octets(at));

	return n == NULL ? NULL : MAP_ENTRY(n, struct place, node);
}

void proven_add(struct proven *p, const struct peer *at)
{
	struct slice octets = peer_octets(at);
	struct place *x = find(p, at);

	if (x == NULL) {
		if (p->by_address.count >= PROVEN_MAX)
			drop_oldest(p);
		x = mem_alloc(sizeof(*x));
		x->n = (uint8_t)octets.n;
		memcpy(x->octets, octets.p, octets.n);
		map_add(&p->by_address, &x->node, slice_of(x->octets, x->n));
	} else {
		list_remove(&x->by_age);
	}
	x->until_ms = loop_now_ms(p->loop) + LIFE_MS;
	list_add(&p->by_age, &x->by_age);
}

bool proven_has(const struct proven *p, const struct peer *at)
{
	const struct place *x = find(p, at);

	return x != NULL && x->until_ms > loop_now_ms(p->loop);
}
