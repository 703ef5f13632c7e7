#include "core/recent.h"

#include <string.h>

#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"

/* A map over the keys, and a list in the order in which they were added last. */

struct entry {
	struct map_node node;
	struct list_node by_age;
	int64_t until_ms;
	uint8_t key[RECENT_KEY];
};

struct recent {
	struct loop *loop;
	struct map by_key;
	struct list by_age; /* the oldest first */
	unsigned max;
};

struct recent *recent_new(struct loop *l, unsigned max)
{
	struct recent *r = mem_alloc(sizeof(*r));

	r->loop = l;
	r->max = max;
	map_init(&r->by_key);
	list_init(&r->by_age);
	return r;
}

static void drop_oldest(struct recent *r)
{
	struct entry *oldest = LIST_ENTRY(list_first(&r->by_age), struct entry, by_age);

	list_remove(&oldest->by_age);
	map_remove(&r->by_key, &oldest->node);
	mem_free(oldest);
}

void recent_free(struct recent *r)
{
	if (r == NULL)
		return;
	while (!list_is_empty(&r->by_age))
		drop_oldest(r);
	map_free(&r->by_key);
	mem_free(r);
}

static struct entry *find(const struct recent *r, struct slice key)
{
	struct map_node *n = map_find(&r->by_key, key);

	return n == NULL ? NULL : MAP_ENTRY(n, struct entry, node);
}

void recent_add(struct recent *r, struct slice key, int64_t life_ms)
{
	struct entry *e;

	key = slice_sub(key, 0, RECENT_KEY);
	e = find(r, key);
	if (e == NULL) {
		if (r->by_key.count >= r->max)
			drop_oldest(r);
		e = mem_alloc(sizeof(*e));
		memcpy(e->key, key.p, key.n);
		map_add(&r->by_key, &e->node, slice_of(e->key, key.n));
	} else {
		list_remove(&e->by_age);
	}
	e->until_ms = loop_now_ms(r->loop) + life_ms;
	list_add(&r->by_age, &e->by_age);
}

bool recent_has(const struct recent *r, struct slice key)
{
	const struct entry *e = find(r, slice_sub(key, 0, RECENT_KEY));

	return e != NULL && e->until_ms > loop_now_ms(r->loop);
}
