#include "tests/test.h"

#include "core/list.h"

struct thing {
	int number;
	struct list_node node;
};

static int number(struct list_node *n)
{
	return n == NULL ? -1 : LIST_ENTRY(n, struct thing, node)->number;
}

static void in_order(void **state)
{
	struct thing t[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	struct list l;

	(void)state;
	list_init(&l);
	assert_true(list_is_empty(&l));
	assert_null(list_first(&l));
	assert_null(list_take(&l));
	for (int i = 0; i < 4; i++) {
		assert_false(list_has(&t[i].node));
		list_add(&l, &t[i].node);
		assert_true(list_has(&t[i].node));
		assert_true(list_is_last(&l, &t[i].node));
	}
	list_remove(&t[2].node); /* the middle, the first, the last */
	assert_false(list_has(&t[2].node));
	assert_int_equal(number(list_first(&l)), 0);
	assert_int_equal(number(list_next(&l, &t[1].node)), 3);
	list_remove(&t[0].node);
	list_remove(&t[3].node);
	assert_int_equal(number(list_first(&l)), 1);
	assert_null(list_next(&l, &t[1].node));
	list_add(&l, &t[0].node);
	assert_int_equal(number(list_take(&l)), 1);
	assert_int_equal(number(list_take(&l)), 0);
	assert_true(list_is_empty(&l));
}

static void moved(void **state)
{
	struct thing t[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	struct list from, to;

	(void)state;
	list_init(&from);
	list_move(&from, &to);
	assert_true(list_is_empty(&to));
	for (int i = 0; i < 3; i++)
		list_add(&from, &t[i].node);
	list_move(&from, &to);
	assert_true(list_is_empty(&from));
	list_add(&from, &(struct thing){.number = 9}.node);
	for (int i = 0; i < 3; i++)
		assert_int_equal(number(list_take(&to)), i);
	assert_true(list_is_empty(&to));
	assert_int_equal(number(list_take(&from)), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_order), cmocka_unit_test(moved)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
