#include "tests/test.h"

#include "store/user.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

/* RFC 2617 3.5 and RFC 7616 3.9.1, the values by md5sum and sha256sum. */
#define MD5 "3d78807defe7de2157e2b0b6573a855f"
#define SHA256 "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"

static void ha1(void **state)
{
	char md5[33], sha256[65];

	(void)state;
	users_ha1(S("Mufasa"), S("testrealm@host.com"), S("Circle Of Life"), md5, sha256);
	assert_string_equal(md5, "939e7578ed9e3c518a452acee763bce9");
	users_ha1(S("Mufasa"), S("http-auth@example.org"), S("Circle of Life"), md5, sha256);
	assert_string_equal(md5, MD5);
	assert_string_equal(sha256, SHA256);
}

static void table(void **state)
{
	struct users *u = users_new();
	const struct user *found;

	(void)state;
	assert_null(users_find(u, S("sip:a@h")));
	users_set(u, S("sip:a@h"), S(MD5), S("-"));
	found = users_find(u, S("sip:a@h"));
	assert_string_equal(found->aor, "sip:a@h");
	assert_string_equal(found->md5, MD5);
	assert_string_equal(found->sha256, "");
	users_set(u, S("sip:a@h"), S(""), S(SHA256));
	assert_int_equal(users_count(u), 1);
	found = users_find(u, S("sip:a@h"));
	assert_string_equal(found->md5, "");
	assert_string_equal(found->sha256, SHA256);
	assert_null(users_find(u, S("sip:A@h")));
	assert_null(users_find(u, S("sip:a@")));
	assert_false(users_remove(u, S("sip:b@h")));
	assert_true(users_remove(u, S("sip:a@h")));
	assert_false(users_remove(u, S("sip:a@h")));
	assert_int_equal(users_count(u), 0);
	users_free(u);
	users_free(NULL);
}

static void list(void *arg, const struct user *u)
{
	buf_addf(arg, "%s %s %s\n", u->aor, u->md5, u->sha256);
}

static void round_trip(void **state)
{
	struct users *u = users_new(), *again = users_new();
	struct buf before = {0}, after = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	assert_int_equal(users_load(again, f.fd), ERR_NOTFOUND);
	for (int i = 0; i < 300; i++) {
		char aor[40];

		snprintf(aor, sizeof(aor), "sip:u%d%%20@h", (i * 7919) % 300);
		users_set(u, slice_str(aor), i % 3 == 0 ? S("-") : S(MD5), i % 5 == 0 ? S("-") : S(SHA256));
	}
	assert_int_equal(users_save(u, f.fd), ERR_OK);
	assert_int_equal(users_load(again, f.fd), ERR_OK);
	assert_int_equal(users_count(again), 300);
	users_each(u, list, &before);
	users_each(again, list, &after);
	assert_string_equal(before.p, after.p);
	/* In the order of the AORs, which is that of their octets. */
	for (struct slice rest = buf_slice(&before), line, last = S(""); slice_cut(rest, '\n', &line, &rest);
	     last = line) {
		size_t n = last.n < line.n ? last.n : line.n;
		int order = n > 0 ? memcmp(last.p, line.p, n) : 0;

		assert_true(order < 0 || (order == 0 && last.n < line.n));
	}
	buf_free(&before);
	buf_free(&after);
	users_free(u);
	users_free(again);
	folder_remove(&f);
}

/* One line as it is in a file, from a table with one user. */
static struct buf one_line(struct folder *f)
{
	struct users *u = users_new();
	struct buf text, line = {0};
	struct slice rest, head;

	users_set(u, S("sip:alice@example.com"), S(MD5), S(SHA256));
	assert_int_equal(users_save(u, f->fd), ERR_OK);
	text = folder_get(f, USER_FILE);
	assert_true(slice_cut(buf_slice(&text), '\n', &head, &rest));
	assert_true(slice_starts(head, S("#")));
	buf_add(&line, slice_trim(rest));
	buf_free(&text);
	users_free(u);
	return line;
}

static void damaged_lines(void **state)
{
	struct slice aor, md5, sha256;
	struct folder f;
	struct buf line;

	(void)state;
	folder_open(&f);
	line = one_line(&f);
	assert_true(users_line(buf_slice(&line), &aor, &md5, &sha256));
	assert_true(slice_eq(aor, S("sip:alice@example.com")) && slice_eq(md5, S(MD5)) && slice_eq(sha256, S(SHA256)));
	for (size_t at = 0; at < line.n; at++) {
		for (int bit = 0; bit < 8; bit++) {
			line.p[at] = (char)(line.p[at] ^ 1 << bit);
			if (users_line(buf_slice(&line), &aor, &md5, &sha256))
				fail_msg("octet %zu, bit %d: %s", at, bit, line.p);
			line.p[at] = (char)(line.p[at] ^ 1 << bit);
		}
	}
	for (size_t n = 0; n < line.n; n++) {
		struct slice part = guard_copy(slice_sub(buf_slice(&line), 0, n));

		assert_false(users_line(part, &aor, &md5, &sha256));
		guard_free(part);
	}
	buf_addc(&line, ' ');
	assert_false(users_line(buf_slice(&line), &aor, &md5, &sha256));
	buf_free(&line);
	folder_remove(&f);
}

/* A line that is damaged costs one user, not the others; a last line needs no line end. */
static void damaged_file(void **state)
{
	struct users *u = users_new();
	struct buf line, text = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	line = one_line(&f);
	buf_addf(&text, "# by hand\n\n%s \nsip:bob@example.com - - 0123456789abcdef\n\n%s", line.p, line.p);
	folder_put(&f, USER_FILE, buf_slice(&text));
	assert_int_equal(users_load(u, f.fd), ERR_SYNTAX);
	assert_int_equal(users_count(u), 1);
	assert_non_null(users_find(u, S("sip:alice@example.com")));
	users_free(u);
	u = users_new();
	folder_put(&f, USER_FILE, slice_sub(buf_slice(&text), 0, text.n - 1));
	assert_int_equal(users_load(u, f.fd), ERR_SYNTAX);
	assert_int_equal(users_count(u), 0);
	users_free(u);
	buf_free(&line);
	buf_free(&text);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ha1),           cmocka_unit_test(table),        cmocka_unit_test(round_trip),
		cmocka_unit_test(damaged_lines), cmocka_unit_test(damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
