#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A doubly linked list of objects that embed a struct list_node. The list owns nothing. All operations are O(1). A node
 * is in one list at a time; a zeroed node is in none.
 */
struct list_node {
	struct list_node *next, *before;
};

/* A list is a ring through its head: head.next is the first node, head.before the last one. */
struct list {
	struct list_node head;
};

/* The object of type that holds node as member. */
#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->head.next = l->head.before = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->head.next == &l->head;
}

/* list_first, list_next: NULL behind the last node. */
static inline struct list_node *list_first(const struct list *l)
{
	return list_is_empty(l) ? NULL : l->head.next;
}

static inline struct list_node *list_next(const struct list *l, const struct list_node *n)
{
	return n->next == &l->head ? NULL : n->next;
}

static inline bool list_is_last(const struct list *l, const struct list_node *n)
{
	return n->next == &l->head;
}

/* list_has: is n in a list at all? Only for nodes that were zeroed before they first went into one. */
static inline bool list_has(const struct list_node *n)
{
	return n->next != NULL;
}

/* list_add: n, which is in no list, becomes the last one. */
static inline void list_add(struct list *l, struct list_node *n)
{
	n->next = &l->head;
	n->before = l->head.before;
	n->before->next = n;
	l->head.before = n;
}

/* list_remove: takes n out of the list that it is in. */
static inline void list_remove(struct list_node *n)
{
	n->before->next = n->next;
	n->next->before = n->before;
	n->next = n->before = NULL;
}

/* list_take: takes the first node out; NULL when the list is empty. */
static inline struct list_node *list_take(struct list *l)
{
	struct list_node *n = list_first(l);

	if (n != NULL)
		list_remove(n);
	return n;
}

/* list_move: puts all of from, in their order, into to, which is empty or not initialised; from is empty afterwards. */
static inline void list_move(struct list *from, struct list *to)
{
	list_init(to);
	if (list_is_empty(from))
		return;
	*to = *from;
	to->head.next->before = to->head.before->next = &to->head;
	list_init(from);
}

#endif
