#include "tests/test.h"

#include "core/group.h"

struct thing {
	struct group_node node;
	unsigned number;
};

static struct thing *thing_of(struct group_node *n)
{
	return n == NULL ? NULL : GROUP_ENTRY(n, struct thing, node);
}

static void one_group(void **state)
{
	struct thing t[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	struct groups g;
	char key[] = "connection";

	(void)state;
	groups_init(&g);
	assert_null(group_first(&g, S("connection")));
	assert_int_equal(group_count(&g, S("connection")), 0);
	for (unsigned i = 0; i < 3; i++)
		group_add(&g, &t[i].node, slice_str(key));
	memset(key, 'x', sizeof(key) - 1); /* the key was copied */
	assert_int_equal(group_count(&g, S("connection")), 3);
	assert_int_equal(g.map.count, 1);
	group_remove(&g, &t[1].node);
	group_remove(&g, &t[1].node); /* in none: nothing happens */
	assert_int_equal(thing_of(group_first(&g, S("connection")))->number, 0);
	assert_int_equal(thing_of(group_next(&t[0].node))->number, 2);
	assert_null(group_next(&t[2].node));
	group_remove(&g, &t[0].node);
	group_remove(&g, &t[2].node);
	assert_null(group_first(&g, S("connection")));
	assert_int_equal(g.map.count, 0);
	group_add(&g, &t[1].node, S(""));
	assert_ptr_equal(group_first(&g, S("")), &t[1].node);
	groups_free(&g);
	groups_free(&g);
}

/* Thousands of random changes against a plain array for each key, the oldest member first. */
static void against_model(void **state)
{
	enum { KEYS = 7, EACH = 40 };
	static struct thing things[KEYS * EACH];
	struct thing *model[KEYS][EACH], *unused[KEYS * EACH];
	unsigned n[KEYS] = {0}, free_count = 0;
	uint32_t seed = 7;
	struct groups g;

	(void)state;
	groups_init(&g);
	for (unsigned i = 0; i < KEYS * EACH; i++)
		unused[free_count++] = &things[i];
	for (unsigned round = 0; round < 20000; round++) {
		struct group_node *at;
		unsigned k, i;
		char key[24];

		seed = seed * 1664525u + 1013904223u;
		k = (seed >> 8) % KEYS;
		snprintf(key, sizeof(key), "%u", k);
		if (n[k] < EACH && (n[k] == 0 || (seed >> 20) % 2 == 0)) {
			struct thing *t = unused[--free_count];

			group_add(&g, &t->node, slice_str(key));
			model[k][n[k]++] = t;
		} else {
			i = (seed >> 21) % n[k];
			group_remove(&g, &model[k][i]->node);
			unused[free_count++] = model[k][i];
			memmove(&model[k][i], &model[k][i + 1], (n[k] - i - 1) * sizeof(model[k][0]));
			n[k]--;
		}
		assert_int_equal(group_count(&g, slice_str(key)), n[k]);
		at = group_first(&g, slice_str(key));
		for (i = 0; i < n[k]; i++, at = group_next(at))
			assert_ptr_equal(at, &model[k][i]->node);
		assert_null(at);
	}
	groups_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_group), cmocka_unit_test(against_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
