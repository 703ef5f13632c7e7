#include "core/map.h"

#include <stdlib.h>
#include <sys/random.h>

#include "core/mem.h"
#include "core/siphash.h"

/*
 * Chained hashing: a slot leads to its newest node, and each node to the next older one. The table doubles when it has
 * more nodes than slots, and never shrinks. Adding touches only the slot, which matters with 100,000 transactions: each
 * node that is looked at is a miss of the cache.
 */

#define FIRST_SLOTS 16

uint64_t map_hash(const struct map *m, struct slice s)
{
	return siphash(m->k0, m->k1, s);
}

void map_init(struct map *m)
{
	uint64_t key[2];

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		abort();
	*m = (struct map){.k0 = key[0], .k1 = key[1], .mask = FIRST_SLOTS - 1};
	m->slots = mem_calloc(FIRST_SLOTS, sizeof(struct map_node *));
}

void map_free(struct map *m)
{
	mem_free(m->slots);
	*m = (struct map){0};
}

static void grow(struct map *m)
{
	size_t slots = (m->mask + 1) * 2;
	struct map_node **fresh = mem_calloc(slots, sizeof(struct map_node *));

	/* Chains keep their order, so that the newest of equal keys stays in front: nodes are appended at the tail. */
	for (size_t i = 0; i <= m->mask; i++) {
		struct map_node **tail[2] = {&fresh[i], &fresh[i + m->mask + 1]};

		for (struct map_node *n = m->slots[i]; n != NULL; n = n->next) {
			bool high = (n->hash & (m->mask + 1)) != 0;

			*tail[high] = n;
			tail[high] = &n->next;
		}
		*tail[0] = NULL;
		*tail[1] = NULL;
	}
	mem_free(m->slots);
	m->slots = fresh;
	m->mask = slots - 1;
}

void map_add(struct map *m, struct map_node *node, struct slice key)
{
	if (m->count > m->mask)
		grow(m);
	node->key = key;
	node->hash = map_hash(m, key);
	node->next = m->slots[node->hash & m->mask];
	m->slots[node->hash & m->mask] = node;
	m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
	for (struct map_node **p = &m->slots[node->hash & m->mask]; *p != NULL; p = &(*p)->next) {
		if (*p == node) {
			*p = node->next;
			node->next = NULL;
			m->count--;
			return;
		}
	}
	abort();
}

struct map_node *map_find(const struct map *m, struct slice key)
{
	uint64_t hash = map_hash(m, key);

	for (struct map_node *n = m->slots[hash & m->mask]; n != NULL; n = n->next)
		if (n->hash == hash && slice_eq(n->key, key))
			return n;
	return NULL;
}

struct map_node *map_find_next(const struct map_node *node)
{
	for (struct map_node *n = node->next; n != NULL; n = n->next)
		if (n->hash == node->hash && slice_eq(n->key, node->key))
			return n;
	return NULL;
}

size_t map_slots(const struct map *m)
{
	return m->mask + 1;
}

struct map_node *map_slot(const struct map *m, size_t i)
{
	return m->slots[i];
}

struct map_node *map_slot_next(const struct map_node *node)
{
	return node->next;
}

static struct map_node *from_slot(const struct map *m, size_t i)
{
	for (; i <= m->mask; i++)
		if (m->slots[i] != NULL)
			return m->slots[i];
	return NULL;
}

struct map_node *map_first(const struct map *m)
{
	return from_slot(m, 0);
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
	return node->next != NULL ? node->next : from_slot(m, (node->hash & m->mask) + 1);
}
