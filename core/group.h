#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include "core/list.h"
#include "core/map.h"

/*
 * Objects by a key that many of them share: everything that hangs on one connection, all watchers of one AOR. Each key
 * has one group, which is there as long as it has members. Adding and removing are O(1), however large the group is,
 * because its members are a list.
 */
struct group;

/* Embedded in an object; zeroed it is in no group. */
struct group_node {
	struct list_node node;
	struct group *group; /* NULL: in none */
};

struct groups {
	struct map map;
};

/* groups_init: there is no group. groups_free: forgets all groups; the objects stay, and must not be removed any more.
 */
void groups_init(struct groups *g);
void groups_free(struct groups *g);

/* group_add: n, which is in no group, becomes the last member of key, which is copied. */
void group_add(struct groups *g, struct group_node *n, struct slice key);

/* group_remove: n leaves its group. Nothing happens when it is in none. */
void group_remove(struct groups *g, struct group_node *n);

/*
 * group_first: the oldest member, or NULL. group_next: the next one, or NULL; call it before removing n. group_count:
 * how many there are.
 */
struct group_node *group_first(const struct groups *g, struct slice key);
struct group_node *group_next(const struct group_node *n);
size_t group_count(const struct groups *g, struct slice key);

/* The object of type that holds node as member. */
#define GROUP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
