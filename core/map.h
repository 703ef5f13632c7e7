#ifndef CORE_MAP_H
#define CORE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

/*
 * A hash table of objects that embed a struct map_node. The table owns nothing: neither objects nor keys. A key is a
 * slice that lives at least as long as its node is in the table. Hashing is SipHash-2-4 under a random key of each
 * table, since branches, Call-IDs and AORs are chosen by strangers. Equal keys may be in the table more than once;
 * map_find returns the newest.
 */
struct map_node {
	struct map_node *next;
	struct slice key;
	uint64_t hash;
};

struct map {
	struct map_node **slots;
	size_t mask;  /* slots - 1; slots are a power of two */
	size_t count; /* nodes in the table */
	uint64_t k0, k1;
};

/* map_init: an empty table. map_free: forgets all nodes and gives the slots back; the objects stay. */
void map_init(struct map *m);
void map_free(struct map *m);

void map_add(struct map *m, struct map_node *node, struct slice key);

/* map_remove: node must be in m. */
void map_remove(struct map *m, struct map_node *node);

/* map_find: the node with this key or NULL. map_find_next: the next older one with the same key, or NULL. */
struct map_node *map_find(const struct map *m, struct slice key);
struct map_node *map_find_next(const struct map_node *node);

/*
 * map_first, map_next: all nodes, in no order. Removing the node just returned is allowed if map_next was called
 * before; adding is not.
 */
struct map_node *map_first(const struct map *m);
struct map_node *map_next(const struct map *m, const struct map_node *node);

/* map_hash: SipHash-2-4 of s under the table's key, for those who keep a bucket of their own. */
uint64_t map_hash(const struct map *m, struct slice s);

/* The object of type that holds node as member. */
#define MAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
