#include "core/group.h"

#include <string.h>

#include "core/mem.h"

/* One map of groups by key; a group and its key are one allocation. */

struct group {
	struct map_node node; /* in groups.map */
	struct list members;
	size_t count;
	char key[];
};

void groups_init(struct groups *g)
{
	map_init(&g->map);
}

static void drop(struct groups *g, struct group *one)
{
	map_remove(&g->map, &one->node);
	mem_free(one);
}

void groups_free(struct groups *g)
{
	struct map_node *n;

	if (g->map.slots == NULL)
		return;
	while ((n = map_first(&g->map)) != NULL)
		drop(g, MAP_ENTRY(n, struct group, node));
	map_free(&g->map);
}

static struct group *find(const struct groups *g, struct slice key)
{
	struct map_node *n = map_find(&g->map, key);

	return n == NULL ? NULL : MAP_ENTRY(n, struct group, node);
}

void group_add(struct groups *g, struct group_node *n, struct slice key)
{
	struct group *one = find(g, key);

	if (one == NULL) {
		one = mem_alloc(sizeof(*one) + key.n);
		memcpy(one->key, key.p, key.n);
		list_init(&one->members);
		map_add(&g->map, &one->node, slice_of(one->key, key.n));
	}
	n->group = one;
	list_add(&one->members, &n->node);
	one->count++;
}

void group_remove(struct groups *g, struct group_node *n)
{
	struct group *one = n->group;

	if (one == NULL)
		return;
	list_remove(&n->node);
	n->group = NULL;
	if (--one->count == 0)
		drop(g, one);
}

static struct group_node *member(struct list_node *n)
{
	return n == NULL ? NULL : LIST_ENTRY(n, struct group_node, node);
}

struct group_node *group_first(const struct groups *g, struct slice key)
{
	const struct group *one = find(g, key);

	return one == NULL ? NULL : member(list_first(&one->members));
}

struct group_node *group_next(const struct group_node *n)
{
	return member(list_next(&n->group->members, &n->node));
}

size_t group_count(const struct groups *g, struct slice key)
{
	const struct group *one = find(g, key);

	return one == NULL ? 0 : one->count;
}
