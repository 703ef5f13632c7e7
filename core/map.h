#ifndef CORE_MAP_H
#define CORE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

/*
 * A hash table of objects that embed a struct map_node. The table owns nothing, neither objects nor keys. A key is a
 * slice that must live, unchanged, as long as its node is in the table. Each table hashes by SipHash-2-4 under a random
 * key of its own, because strangers choose branches, Call-IDs and AORs and must not be able to make them collide.
 *
 * Adding, removing and finding are O(1) as long as few nodes have one key. Where a stranger decides how many that are
 * (on one connection, for one AOR), take groups instead (group.h).
 */
struct map_node {
	struct map_node *next; /* in the chain of its slot */
	struct slice key;
	uint64_t hash;
};

struct map {
	struct map_node **slots;
	size_t mask;  /* slots - 1; slots are a power of two */
	size_t count; /* nodes in the table */
	uint64_t k0, k1;
};

/*
 * map_init: makes an empty table. map_free: forgets all nodes and gives the slots back; the objects stay. A freed map
 * must be initialised before it is used again.
 */
void map_init(struct map *m);
void map_free(struct map *m);

/* map_add: node, which is in no table, becomes the newest one of key. */
void map_add(struct map *m, struct map_node *node, struct slice key);

/* map_remove: node must be in m; a node that is not aborts. Its key is not looked at. */
void map_remove(struct map *m, struct map_node *node);

/* map_find: the newest node with this key, or NULL. map_find_next: the next older one with the same key, or NULL. */
struct map_node *map_find(const struct map *m, struct slice key);
struct map_node *map_find_next(const struct map_node *node);

/*
 * map_first, map_next: all nodes, in no order; NULL at the end. To remove the node in hand call map_next before. Adding
 * nodes meanwhile is not allowed.
 */
struct map_node *map_first(const struct map *m);
struct map_node *map_next(const struct map *m, const struct map_node *node);

/*
 * For a walk through a large table in small steps. map_slots: how many slots there are. map_slot: the first node in
 * slot i, NULL when it is empty. map_slot_next: the next one in the same slot, or NULL; call it before removing node.
 * When the table grows between two steps, nodes move to other slots.
 */
size_t map_slots(const struct map *m);
struct map_node *map_slot(const struct map *m, size_t i);
struct map_node *map_slot_next(const struct map_node *node);

/* map_hash: SipHash-2-4 of s under the table's key, for callers that store a hash in place of a long key. */
uint64_t map_hash(const struct map *m, struct slice s);

/* The object of type that holds node as member. */
#define MAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
