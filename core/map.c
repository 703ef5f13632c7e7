#include "core/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/mem.h"

#define FIRST_SLOTS 16

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* Little-endian load of n <= 8 octets, the same on every machine. */
static uint64_t load(const char *p, size_t n)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		x |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return x;
}

uint64_t map_hash(const struct map *m, struct slice s)
{
	uint64_t v[4] = {m->k0 ^ 0x736f6d6570736575u, m->k1 ^ 0x646f72616e646f6du, m->k0 ^ 0x6c7967656e657261u,
			 m->k1 ^ 0x7465646279746573u};
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t w = load(s.p + i, 8);

		v[3] ^= w;
		sip_round(v);
		sip_round(v);
		v[0] ^= w;
	}
	uint64_t last = (uint64_t)s.n << 56 | (s.n > i ? load(s.p + i, s.n - i) : 0);

	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int r = 0; r < 4; r++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
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

	/* Chains keep their order, so that the newest of equal keys stays in front: append at the tail. */
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
