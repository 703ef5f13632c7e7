#include "core/map.h"

#include <stdlib.h>
#include <sys/random.h>

#include "core/mem.h"
#include "core/siphash.h"

/*
 * Chained hashing. A slot leads to the newest node of its first key, "next" from there to the newest node of the next
 * key, "older" from a node to the older ones of its key:
 *
 *   slot -> A3 -next-> B1 -next-> NULL
 *           |older
 *           A2 -older-> A1
 *
 * "at" of each node is the address of the one pointer that leads to it, so a node can be taken out without a search.
 * The table doubles when it has more nodes than slots, and never shrinks.
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

/* chain: puts the newest node of a key, with the older ones behind it, in front of what *at led to. */
static void chain(struct map_node **at, struct map_node *node)
{
	node->next = *at;
	node->at = at;
	if (node->next != NULL)
		node->next->at = &node->next;
	*at = node;
}

static void grow(struct map *m)
{
	size_t slots = (m->mask + 1) * 2;
	struct map_node **old = m->slots;

	m->slots = mem_calloc(slots, sizeof(struct map_node *));
	for (size_t i = 0; i <= m->mask; i++) {
		for (struct map_node *n = old[i], *next; n != NULL; n = next) {
			next = n->next;
			chain(&m->slots[n->hash & (slots - 1)], n);
		}
	}
	mem_free(old);
	m->mask = slots - 1;
}

static struct map_node *find(const struct map *m, uint64_t hash, struct slice key)
{
	for (struct map_node *n = m->slots[hash & m->mask]; n != NULL; n = n->next)
		if (n->hash == hash && slice_eq(n->key, key))
			return n;
	return NULL;
}

/* node takes the place of old in the chain of its slot. */
static void replace(struct map_node *old, struct map_node *node)
{
	node->at = old->at;
	node->next = old->next;
	*node->at = node;
	if (node->next != NULL)
		node->next->at = &node->next;
}

void map_add(struct map *m, struct map_node *node, struct slice key)
{
	struct map_node *same;

	if (m->count > m->mask)
		grow(m);
	*node = (struct map_node){.key = key, .hash = map_hash(m, key)};
	same = find(m, node->hash, key);
	if (same == NULL) {
		chain(&m->slots[node->hash & m->mask], node);
	} else {
		replace(same, node);
		node->older = same;
		same->at = &node->older;
		same->next = NULL;
	}
	m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node *heir = node->older != NULL ? node->older : node->next;

	if (node->at == NULL || *node->at != node)
		abort();
	/*
	 * The next older node takes the place of this one, or else the next key does. A node that is not the newest of
	 * its key has no next.
	 */
	*node->at = heir;
	if (heir != NULL)
		heir->at = node->at;
	if (node->older != NULL && node->next != NULL) {
		heir->next = node->next;
		heir->next->at = &heir->next;
	}
	node->at = NULL;
	m->count--;
}

struct map_node *map_find(const struct map *m, struct slice key)
{
	return find(m, map_hash(m, key), key);
}

struct map_node *map_find_next(const struct map_node *node)
{
	return node->older;
}

size_t map_slots(const struct map *m)
{
	return m->mask + 1;
}

struct map_node *map_slot(const struct map *m, size_t i)
{
	return m->slots[i];
}

struct map_node *map_slot_next(const struct map *m, const struct map_node *node)
{
	/* Only the newest node of a key knows the next key. */
	return node->older != NULL ? node->older : find(m, node->hash, node->key)->next;
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
	struct map_node *next = map_slot_next(m, node);

	return next != NULL ? next : from_slot(m, (node->hash & m->mask) + 1);
}
