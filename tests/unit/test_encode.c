#include "tests/test.h"

#include "crypto/encode.h"
#include "crypto/rng.h"
#include "tests/unit/guard.h"

struct pair {
	struct slice plain;
	struct slice text;
};

static void base64_known(void **state)
{
	/* RFC 4648 10. */
	static const struct pair known[] = {
		{{"", 0}, {"", 0}},
		{{"f", 1}, {"Zg==", 4}},
		{{"fo", 2}, {"Zm8=", 4}},
		{{"foo", 3}, {"Zm9v", 4}},
		{{"foob", 4}, {"Zm9vYg==", 8}},
		{{"fooba", 5}, {"Zm9vYmE=", 8}},
		{{"foobar", 6}, {"Zm9vYmFy", 8}},
		{{"\xfb\xff\xbf", 3}, {"+/+/", 4}},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		buf_clear(&b);
		base64_encode(&b, known[i].plain);
		assert_true(slice_eq(buf_slice(&b), known[i].text));
		buf_clear(&b);
		assert_int_equal(base64_decode(&b, known[i].text), ERR_OK);
		assert_true(slice_eq(buf_slice(&b), known[i].plain));
	}
	buf_clear(&b);
	base64url_encode(&b, S("\xfb\xff\xbf\xfb"));
	assert_string_equal(b.p, "-_-_-w");
	buf_clear(&b);
	assert_int_equal(base64url_decode(&b, S("-_-_-w")), ERR_OK);
	assert_true(slice_eq(buf_slice(&b), S("\xfb\xff\xbf\xfb")));
	buf_free(&b);
}

static void base64_refused(void **state)
{
	static const char *const bad[] = {
		"Z",    "Zg",   "Zg=",   "Zg===", "Zm9vZ", "Zh==",       "Zm9=",  "Zm8=Zm8=",  "=",
		"====", "Zg=g", "Zm9v*", "Zm-v",  "Zm_v",  "Zm9v\vZm9v", "Zm9v=", "\xc3\xa4zz"};
	static const char *const bad_url[] = {"Z", "Zh", "Zm9", "Zg==", "Zm 9v", "Zm9v\n", "Zm+v", "Zm/v", "Zm9vZ"};
	struct buf b = {0};

	(void)state;
	buf_adds(&b, "kept");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(&b, slice_str(bad[i])), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
		assert_int_equal(base64url_decode(&b, slice_str(bad_url[i])), ERR_SYNTAX);
	assert_int_equal(base64_decode(&b, S("Zm9v\0Zm9v")), ERR_SYNTAX);
	assert_string_equal(b.p, "kept");
	assert_int_equal(base64_decode(&b, S(" Z\r\n\tm9v\r\n Yg = =\n")), ERR_OK);
	assert_string_equal(b.p, "keptfoob");
	buf_free(&b);
}

static void base64_round(void **state)
{
	uint8_t octets[70];

	(void)state;
	for (size_t n = 0; n <= sizeof(octets); n++) {
		struct buf text = {0}, back = {0};

		rng_fill(octets, n);
		base64_encode(&text, slice_of(octets, n));
		assert_int_equal(text.n, (n + 2) / 3 * 4);
		assert_int_equal(base64_decode(&back, buf_slice(&text)), ERR_OK);
		assert_true(slice_eq(buf_slice(&back), slice_of(octets, n)));
		buf_clear(&text);
		buf_clear(&back);
		base64url_encode(&text, slice_of(octets, n));
		assert_int_equal(base64url_decode(&back, buf_slice(&text)), ERR_OK);
		assert_true(slice_eq(buf_slice(&back), slice_of(octets, n)));
		buf_free(&text);
		buf_free(&back);
	}
}

static void hexadecimal(void **state)
{
	static const char *const bad[] = {"0", "0g", "g0", "0 ", " 00", "0x00", "000"};
	struct buf b = {0};

	(void)state;
	hex_encode(&b, S("\x00\x7f\xff"));
	assert_string_equal(b.p, "007fff");
	buf_clear(&b);
	assert_int_equal(hex_decode(&b, S("00aAfF")), ERR_OK);
	assert_true(slice_eq(buf_slice(&b), S("\x00\xaa\xff")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hex_decode(&b, slice_str(bad[i])), ERR_SYNTAX);
	assert_int_equal(b.n, 3);
	buf_free(&b);
}

static const char *const wanted[] = {"CERTIFICATE", "PRIVATE KEY", NULL};

/* pem_is: the blocks of text that are wanted, as "label:octets;", then the error that ends them. */
static void pem_is(struct slice text, const char *blocks, enum err end)
{
	struct slice at_edge = guard_copy(text);
	struct buf all = {0}, der = {0};
	const char *label;
	size_t pos = 0;
	enum err e;

	while ((e = pem_read(at_edge, wanted, &pos, &label, &der)) == ERR_OK) {
		buf_addf(&all, "%s:%.*s;", label, SLICE_ARG(buf_slice(&der)));
		buf_clear(&der);
	}
	assert_int_equal(der.n, 0);
	assert_int_equal(e, end);
	assert_string_equal(all.p == NULL ? "" : all.p, blocks);
	buf_free(&all);
	buf_free(&der);
	guard_free(at_edge);
}

#define B "-----BEGIN CERTIFICATE-----"
#define E "-----END CERTIFICATE-----"

static void pem_blocks(void **state)
{
	(void)state;
	pem_is(S(""), "", ERR_NOTFOUND);
	pem_is(S("nothing\n-----\nhere"), "", ERR_NOTFOUND);
	pem_is(S(B "\nZm9v\n" E "\n"), "CERTIFICATE:foo;", ERR_NOTFOUND);
	pem_is(S(B "\r\nZm\r\n9v\r\n" E "\r\n"), "CERTIFICATE:foo;", ERR_NOTFOUND);
	pem_is(S(B "\nZm9v\n" E), "CERTIFICATE:foo;", ERR_NOTFOUND);
	pem_is(S("text\n" B " \nZm9v\n" E "\ntext\n-----BEGIN PRIVATE KEY-----\nYmFy\n-----END PRIVATE KEY-----\n"),
	       "CERTIFICATE:foo;PRIVATE KEY:bar;", ERR_NOTFOUND);
	pem_is(S("-----BEGIN X-----\n*\n-----END X-----\n" B "\nZm9v\n" E "\n"), "CERTIFICATE:foo;", ERR_NOTFOUND);
	pem_is(S(B "\n" E "\n"), "CERTIFICATE:;", ERR_NOTFOUND);
	pem_is(S(B "\nZm9v\n"), "", ERR_SYNTAX);
	pem_is(S(B "\nZm9v\n-----END PRIVATE KEY-----\n"), "", ERR_SYNTAX);
	pem_is(S(B "\nZm9v\n" B "\nZm9v\n" E "\n"), "", ERR_SYNTAX);
	pem_is(S(B "\nZm9v=\n" E "\n"), "", ERR_SYNTAX);
	pem_is(S(B "\nZm9v\0Zm9v\n" E "\n"), "", ERR_SYNTAX);
	pem_is(S(" " B "\nZm9v\n" E "\n"), "", ERR_NOTFOUND);
	pem_is(S(B "x\nZm9v\n" E "\n"), "", ERR_NOTFOUND);
	pem_is(S(B "\nZm9v" E "\n"), "", ERR_SYNTAX);
	pem_is(S("-----BEGIN -----\n-----BEGIN ----\n-----BEGIN CERTIFICATE----"), "", ERR_NOTFOUND);
}

static void pem_prefixes(void **state)
{
	struct slice text = S("x\n" B "\nZm9vYmFyZm9vYmFy\n" E "\n");

	(void)state;
	for (size_t n = 0; n < text.n; n++) {
		struct slice part = guard_copy(slice_sub(text, 0, n));
		struct buf der = {0};
		const char *label;
		size_t pos = 0;
		enum err e = pem_read(part, wanted, &pos, &label, &der);

		/* Only the last line end may be missing. */
		assert_int_equal(e, n + 1 >= text.n ? ERR_OK : n < 2 + sizeof(B) - 1 ? ERR_NOTFOUND : ERR_SYNTAX);
		buf_free(&der);
		guard_free(part);
	}
}

static void pem_round(void **state)
{
	struct buf text = {0}, back = {0};
	uint8_t octets[100];
	const char *label;

	(void)state;
	for (size_t n = 0; n <= sizeof(octets); n++) {
		size_t pos = 0;

		buf_clear(&text);
		buf_clear(&back);
		rng_fill(octets, n);
		pem_write(&text, "PRIVATE KEY", slice_of(octets, n));
		assert_int_equal(pem_read(buf_slice(&text), wanted, &pos, &label, &back), ERR_OK);
		assert_true(slice_eq(buf_slice(&back), slice_of(octets, n)));
		assert_int_equal(pos, text.n);
		assert_ptr_equal(label, wanted[1]);
	}
	/* RFC 7468 2: lines of exactly 64 characters but for the last. */
	assert_true(slice_find(buf_slice(&text), S("\n"), 28) == 28 + 64);
	buf_free(&text);
	buf_free(&back);
}

static void random_numbers(void **state)
{
	unsigned seen[7] = {0};
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 7000; i++)
		seen[rng_below(7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 800, 1200);
	assert_int_equal(rng_below(1), 0);
	rng_hex(&b, 64);
	assert_int_equal(b.n, 128);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_known), cmocka_unit_test(base64_refused), cmocka_unit_test(base64_round),
		cmocka_unit_test(hexadecimal),  cmocka_unit_test(pem_blocks),     cmocka_unit_test(pem_prefixes),
		cmocka_unit_test(pem_round),    cmocka_unit_test(random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
