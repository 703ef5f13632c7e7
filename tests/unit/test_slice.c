#include "tests/test.h"

#include "core/mem.h"
#include "core/slice.h"
#include "tests/unit/prefix.h"

static bool is(struct slice s, const char *text)
{
	return s.p != NULL && slice_eq(s, slice_str(text));
}

static void absent_and_empty(void **state)
{
	struct slice none = SLICE_NONE, empty = S(""), head = S("kept"), tail = S("kept");

	(void)state;
	assert_true(none.p == NULL && none.n == 0 && empty.p != NULL && empty.n == 0);
	assert_null(slice_str(NULL).p);
	assert_true(is(slice_str(""), ""));
	assert_true(slice_eq(none, empty) && slice_ieq(none, empty));
	assert_null(slice_sub(none, 0, 5).p);
	assert_null(slice_trim(none).p);
	assert_non_null(slice_sub(S("abc"), 3, 3).p);
	assert_non_null(slice_trim(S("  ")).p);
	assert_int_equal(slice_chr(none, 'x'), 0);
	assert_int_equal(slice_rchr(none, 'x'), 0);
	assert_int_equal(slice_find(none, S("x"), 0), 0);
	assert_false(slice_cut(none, 'x', &head, &tail));
	assert_true(is(head, "kept") && is(tail, "kept"));
	assert_true(slice_starts(none, empty) && slice_ends(none, none) && slice_starts(S("a"), none));
}

static void parts(void **state)
{
	struct slice s = S("abc");

	(void)state;
	assert_true(is(slice_sub(s, 0, 3), "abc") && is(slice_sub(s, 1, 2), "b") && is(slice_sub(s, 1, 99), "bc"));
	assert_true(is(slice_sub(s, 2, 1), "") && is(slice_sub(s, 9, 99), "") &&
		    is(slice_sub(s, SIZE_MAX, SIZE_MAX), ""));
	assert_ptr_equal(slice_sub(s, 9, 9).p, s.p + 3);
	assert_true(is(slice_trim(S(" \t\r\n a b\n\r\t ")), "a b"));
	assert_true(is(slice_trim(S("\v\f\0")), "\v\f") == false);
	assert_true(slice_eq(slice_trim(S("\va\f")), S("\va\f")));
	assert_int_equal(slice_of("ab\0cd", 5).n, 5);
}

static void comparing(void **state)
{
	(void)state;
	assert_true(slice_eq(S("a\0b"), S("a\0b")) && !slice_eq(S("a\0b"), S("a\0c")) && !slice_eq(S("a"), S("a\0")));
	assert_true(slice_ieq(S("AbZ"), S("aBz")) && !slice_ieq(S("AbZ"), S("aBzz")));
	/* Only the letters of ASCII: not the octets 32 apart around them, nor those with the high bit. */
	assert_false(slice_ieq(S("@"), S("`")) || slice_ieq(S("["), S("{")) || slice_ieq(S("\xc1"), S("\xe1")));
	for (int c = 0; c < 256; c++)
		assert_int_equal((unsigned char)ascii_lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
	assert_true(slice_starts(S("abc"), S("ab")) && !slice_starts(S("abc"), S("AB")) &&
		    !slice_starts(S("a"), S("ab")));
	assert_true(slice_istarts(S("abc"), S("AB")) && !slice_istarts(S("abc"), S("bc")));
	assert_true(slice_ends(S("abc"), S("bc")) && !slice_ends(S("abc"), S("ab")) && !slice_ends(S("c"), S("bc")));
}

static void searching(void **state)
{
	struct slice s = guard_copy(S("abcabc\0x")), head, tail;

	(void)state;
	assert_int_equal(slice_chr(s, 'b'), 1);
	assert_int_equal(slice_rchr(s, 'b'), 4);
	assert_int_equal(slice_chr(s, '\0'), 6);
	assert_int_equal(slice_chr(s, 'y'), 8);
	assert_int_equal(slice_rchr(s, 'y'), 8);
	assert_int_equal(slice_find(s, S("bc"), 0), 1);
	assert_int_equal(slice_find(s, S("bc"), 1), 1);
	assert_int_equal(slice_find(s, S("bc"), 2), 4);
	assert_int_equal(slice_find(s, S("bc"), 5), 8);
	assert_int_equal(slice_find(s, S("\0x"), 0), 6);
	assert_int_equal(slice_find(s, S("x"), 8), 8);
	assert_int_equal(slice_find(s, S("x"), 9), 8);
	assert_int_equal(slice_find(s, S("x"), SIZE_MAX), 8);
	assert_int_equal(slice_find(s, S("abcabc\0xy"), 0), 8);
	assert_true(slice_cut(s, 'c', &head, &tail) && is(head, "ab") && slice_eq(tail, S("abc\0x")));
	assert_true(slice_cut(s, 'a', &head, &tail) && is(head, "") && head.p == s.p);
	assert_true(slice_cut(s, 'x', &head, &tail) && tail.n == 0 && tail.p == s.p + 8);
	/* The parts may be where the whole was. */
	head = S("a=b=c");
	assert_true(slice_cut(head, '=', &tail, &head) && is(tail, "a") && is(head, "b=c"));
	guard_free(s);
}

/* RFC 3261 has many numbers, and strangers write them. */
static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
		bool good;
	} rows[] = {
		{"0", 0, 0, true},
		{"0", UINT64_MAX, 0, true},
		{"007", 7, 7, true},
		{"00000000000000000000000000000000000000000000000009", 9, 9, true},
		{"7", 6, 0, false},
		{"10", 10, 10, true},
		{"11", 10, 0, false},
		{"9", 5, 0, false},
		{"65535", 65535, 65535, true},
		{"65536", 65535, 0, false},
		{"4294967295", UINT32_MAX, UINT32_MAX, true},
		{"4294967296", UINT32_MAX, 0, false},
		{"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
		{"18446744073709551616", UINT64_MAX, 0, false},
		{"18446744073709551625", UINT64_MAX, 0, false},
		{"184467440737095516150", UINT64_MAX, 0, false},
		{"99999999999999999999999999", UINT64_MAX, 0, false},
		{"", 9, 0, false},
		{" 1", 9, 0, false},
		{"1 ", 9, 0, false},
		{"+1", 9, 0, false},
		{"-1", 9, 0, false},
		{"-0", 9, 0, false},
		{"1a", 9, 0, false},
		{"a", 99, 0, false},
		{"0x1", 9, 0, false},
		{"1.0", 99, 0, false},
		{"1e1", 99, 0, false},
		{"/", 99, 0, false},
		{":", 99, 0, false},
		{"\xb1", 99, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		uint64_t v = 4711;
		uint32_t w = 4711;

		if (slice_u64(in, rows[i].max, &v) != rows[i].good || v != (rows[i].good ? rows[i].value : 4711))
			fail_msg("\"%s\"", rows[i].text);
		if (rows[i].max <= UINT32_MAX) {
			assert_int_equal(slice_u32(in, (uint32_t)rows[i].max, &w), rows[i].good);
			assert_int_equal(w, rows[i].good ? rows[i].value : 4711);
		}
		guard_free(in);
	}
	uint64_t v;

	assert_false(slice_u64(S("1\0"), 9, &v));
	assert_false(slice_u64(SLICE_NONE, 9, &v));
}

static void copies(void **state)
{
	struct slice in = guard_copy(S("a\0b")), copy = slice_copy(in);
	char *text = slice_dup(in);

	(void)state;
	guard_free(in);
	assert_memory_equal(text, "a\0b", 4);
	assert_true(slice_eq(copy, S("a\0b")) && copy.p[3] == '\0');
	mem_free(text);
	slice_drop(&copy);
	assert_true(copy.p == NULL && copy.n == 0);
	slice_drop(&copy);
	/* A copy of nothing is there, and empty. */
	copy = slice_copy(SLICE_NONE);
	assert_true(is(copy, ""));
	slice_drop(&copy);
}

static void lists(void **state)
{
	static const struct {
		const char *text;
		const char *items[4];
	} rows[] = {
		{"", {NULL}},
		{" \t ", {NULL}},
		{"a", {"a"}},
		{" a , b,c ", {"a", "b", "c"}},
		{"a,,b", {"a", "", "b"}},
		{"a,", {"a", ""}},
		{",", {"", ""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = 0;

		for (struct slice rest = slice_list(slice_str(rows[i].text)), item; slice_item(&rest, &item); n++)
			assert_true(rows[i].items[n] != NULL && slice_eq(item, slice_str(rows[i].items[n])));
		assert_null(rows[i].items[n]);
	}
}

static void hexadecimal(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(slice_hex(S("0"), &v) && v == 0);
	assert_true(slice_hex(S("00fF"), &v) && v == 255);
	assert_true(slice_hex(S("ffffffffffffffff"), &v) && v == UINT64_MAX);
	assert_false(slice_hex(S(""), &v));
	assert_false(slice_hex(S("10000000000000000"), &v));
	assert_false(slice_hex(S("0x1"), &v));
	assert_false(slice_hex(S("g"), &v));
	assert_false(slice_hex(S(" 1"), &v));
	assert_int_equal(ascii_hex('A'), 10);
	assert_int_equal(ascii_hex('f'), 15);
	assert_int_equal(ascii_hex('@'), -1);
	assert_int_equal(ascii_hex('\0'), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),   cmocka_unit_test(hexadecimal), cmocka_unit_test(absent_and_empty),
		cmocka_unit_test(parts),   cmocka_unit_test(comparing),   cmocka_unit_test(searching),
		cmocka_unit_test(numbers), cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
