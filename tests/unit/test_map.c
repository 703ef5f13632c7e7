#include "tests/test.h"

#include "core/map.h"

#define MANY 3000

struct thing {
	struct map_node node;
	char key[24];
	unsigned number;
	bool in, seen;
};

static struct thing things[MANY];

static struct thing *thing_of(struct map_node *n)
{
	return n == NULL ? NULL : MAP_ENTRY(n, struct thing, node);
}

static void put(struct map *m, struct thing *t, const char *key, unsigned number)
{
	snprintf(t->key, sizeof(t->key), "%s", key);
	t->number = number;
	t->in = true;
	map_add(m, &t->node, slice_str(t->key));
}

/* The vectors of the authors of SipHash: key 00 01 .. 0f, input 00 01 .. */
static void hash(void **state)
{
	static const struct {
		size_t n;
		uint64_t hash;
	} rows[] = {
		{0, 0x726fdb47dd0e0e31u},  {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
		{8, 0x93f5f5799a932462u},  {9, 0x9e0082df0ba9e4b0u},  {15, 0xa129ca6149be45e5u},
		{16, 0x3f2acc7f57c29bdbu}, {63, 0x958a324ceb064572u},
	};
	struct map m = {.k0 = 0x0706050403020100u, .k1 = 0x0f0e0d0c0b0a0908u};
	unsigned char octets[64];

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(map_hash(&m, slice_of(octets, rows[i].n)) == rows[i].hash);
	assert_true(map_hash(&m, SLICE_NONE) == rows[0].hash);
	/* Each table has a key of its own. */
	struct map a, b;

	map_init(&a);
	map_init(&b);
	assert_true(a.k0 != b.k0 && a.k1 != b.k1 && map_hash(&a, S("x")) != map_hash(&b, S("x")));
	map_free(&a);
	map_free(&b);
}

static void add_find_remove(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_find(&m, S("a")));
	assert_null(map_first(&m));
	put(&m, &things[0], "a", 0);
	put(&m, &things[1], "", 1);
	assert_ptr_equal(map_find(&m, S("a")), &things[0].node);
	assert_ptr_equal(map_find(&m, S("")), &things[1].node);
	assert_null(map_find(&m, S("A")));
	assert_null(map_find(&m, S("a\0")));
	assert_int_equal(m.count, 2);
	map_remove(&m, &things[0].node);
	assert_null(map_find(&m, S("a")));
	assert_int_equal(m.count, 1);
	map_free(&m);
	assert_int_equal(m.count, 0);
}

/* Growth keeps everything, and the newest of equal keys in front. */
static void growth(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	for (unsigned i = 0; i < MANY; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%u", i % (MANY / 3));
		put(&m, &things[i], key, i);
	}
	assert_int_equal(m.count, MANY);
	for (unsigned k = 0; k < MANY / 3; k++) {
		char key[24];
		struct map_node *n;

		snprintf(key, sizeof(key), "%u", k);
		n = map_find(&m, slice_str(key));
		for (unsigned copy = 3; copy-- > 0;) {
			assert_non_null(n);
			assert_int_equal(thing_of(n)->number, copy * (MANY / 3) + k);
			n = map_find_next(n);
		}
		assert_null(n);
	}
	map_free(&m);
}

/* Keys that share the low bits of their hash, so one chain however often the table grows. */
static void collisions(void **state)
{
	static struct thing crowd[40];
	uint64_t low = 0;
	unsigned found = 0;
	struct map m;

	(void)state;
	map_init(&m);
	for (unsigned i = 0; found < 40; i++) {
		char key[24];

		snprintf(key, sizeof(key), "key %u", i);
		if (found == 0)
			low = map_hash(&m, slice_str(key)) & 255;
		if ((map_hash(&m, slice_str(key)) & 255) != low)
			continue;
		put(&m, &crowd[found], key, found);
		found++;
	}
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(thing_of(map_find(&m, slice_str(crowd[i].key)))->number, i);
	/* Out of the middle, the front and the end of the chain. */
	for (unsigned i = 0; i < 40; i += 3)
		map_remove(&m, &crowd[i].node);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(map_find(&m, slice_str(crowd[i].key)) != NULL, i % 3 != 0);
	assert_int_equal(m.count, 26);
	map_free(&m);
}

static void iterating(void **state)
{
	struct map m;
	unsigned seen = 0;

	(void)state;
	map_init(&m);
	for (unsigned i = 0; i < 500; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%u", i / 2);
		put(&m, &things[i], key, i);
		things[i].seen = false;
	}
	/* Every other one goes while all are visited. */
	for (struct map_node *n = map_first(&m), *next; n != NULL; n = next) {
		struct thing *t = thing_of(n);

		next = map_next(&m, n);
		assert_false(t->seen);
		t->seen = true;
		seen++;
		if (t->number % 2 == 0)
			map_remove(&m, n);
	}
	assert_int_equal(seen, 500);
	assert_int_equal(m.count, 250);
	for (struct map_node *n = map_first(&m); n != NULL; n = map_next(&m, n)) {
		assert_int_equal(thing_of(n)->number % 2, 1);
		seen--;
	}
	assert_int_equal(seen, 250);
	while (map_first(&m) != NULL)
		map_remove(&m, map_first(&m));
	assert_int_equal(m.count, 0);
	map_free(&m);
}

/* Thousands of random changes against a plain array. */
static void against_model(void **state)
{
	uint32_t seed = 1;
	size_t count = 0;
	struct map m;

	(void)state;
	map_init(&m);
	for (unsigned i = 0; i < MANY; i++)
		things[i].in = false;
	for (unsigned round = 0; round < 40000; round++) {
		struct thing *t;
		char key[24];
		unsigned i;

		seed = seed * 1664525u + 1013904223u;
		i = (seed >> 8) % (round < 20000 ? MANY : MANY / 10);
		t = &things[i];
		snprintf(key, sizeof(key), "%u", i);
		assert_ptr_equal(map_find(&m, slice_str(key)), t->in ? &t->node : NULL);
		if (t->in) {
			map_remove(&m, &t->node);
			t->in = false;
			count--;
		} else {
			put(&m, t, key, i);
			count++;
		}
		assert_int_equal(m.count, count);
	}
	map_free(&m);
}

/* Equal keys against a plain array for each key, newest last: whichever goes, the others keep their order. */
static void equal_keys_against_model(void **state)
{
	enum { KEYS = 7, EACH = 40 };
	struct thing *model[KEYS][EACH];
	unsigned n[KEYS] = {0}, free_count = 0;
	struct thing *unused[KEYS * EACH];
	uint32_t seed = 7;
	struct map m;

	(void)state;
	map_init(&m);
	for (unsigned i = 0; i < KEYS * EACH; i++)
		unused[free_count++] = &things[i];
	for (unsigned round = 0; round < 20000; round++) {
		struct map_node *at;
		unsigned k, i, seen = 0;
		char key[24];

		seed = seed * 1664525u + 1013904223u;
		k = (seed >> 8) % KEYS;
		snprintf(key, sizeof(key), "%u", k);
		if (n[k] < EACH && (n[k] == 0 || (seed >> 20) % 2 == 0)) {
			struct thing *t = unused[--free_count];

			put(&m, t, key, round);
			model[k][n[k]++] = t;
		} else {
			i = (seed >> 21) % n[k];
			map_remove(&m, &model[k][i]->node);
			unused[free_count++] = model[k][i];
			memmove(&model[k][i], &model[k][i + 1], (n[k] - i - 1) * sizeof(model[k][0]));
			n[k]--;
		}
		at = map_find(&m, slice_str(key));
		for (i = n[k]; i-- > 0; at = map_find_next(at))
			assert_ptr_equal(at, &model[k][i]->node);
		assert_null(at);
		for (at = map_first(&m); at != NULL; at = map_next(&m, at))
			seen++;
		assert_int_equal(seen, m.count);
		assert_int_equal(m.count, KEYS * EACH - free_count);
	}
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash),
		cmocka_unit_test(add_find_remove),
		cmocka_unit_test(growth),
		cmocka_unit_test(iterating),
		cmocka_unit_test(collisions),
		cmocka_unit_test(against_model),
		cmocka_unit_test(equal_keys_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
