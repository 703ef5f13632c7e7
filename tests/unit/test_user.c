#include "tests/test.h"

#include "crypto/hash.h"
#include "crypto/seal.h"
#include "store/user.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

/* RFC 2617 3.5 and RFC 7616 3.9.1, the values by md5sum and sha256sum. */
#define MD5 "3d78807defe7de2157e2b0b6573a855f"
#define SHA256 "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
#define REALM "credential.example.com"

static const uint8_t master[SEAL_KEY] = "of this store", other[SEAL_KEY] = "of another store";

static struct ha1 hashes(const char *md5, const char *sha256, const char *credential)
{
	struct ha1 h = {0};

	assert_true(ha1_read(slice_str(md5), 32, h.md5) && ha1_read(slice_str(sha256), 64, h.sha256) &&
		    ha1_read(slice_str(credential), 64, h.credential));
	return h;
}

static void set(struct users *u, struct slice aor, const char *md5, const char *sha256, const char *credential)
{
	const struct ha1 h = hashes(md5, sha256, credential);

	users_set(u, aor, &h);
}

static void ha1(void **state)
{
	struct ha1 h;
	char out[65];

	(void)state;
	ha1_make(S("Mufasa"), S("testrealm@host.com"), S("http-auth@example.org"), S("Circle Of Life"), &h);
	assert_string_equal(h.md5, "939e7578ed9e3c518a452acee763bce9");
	ha1_make(S("Mufasa"), S("http-auth@example.org"), S("http-auth@example.org"), S("Circle of Life"), &h);
	assert_string_equal(h.md5, MD5);
	assert_string_equal(h.sha256, SHA256);
	assert_string_equal(h.credential, SHA256);
	assert_true(ha1_read(S("3D78807DEFE7DE2157E2B0B6573A855F"), 32, out));
	assert_string_equal(out, MD5);
	assert_true(ha1_read(S("-"), 32, out) && ha1_read(S(""), 64, out));
	assert_string_equal(out, "");
	assert_false(ha1_read(S(MD5), 64, out) || ha1_read(S(SHA256), 32, out));
	assert_false(ha1_read(S("3d78807defe7de2157e2b0b6573a855g"), 32, out));
}

static void table(void **state)
{
	struct users *u = users_new(S(REALM));
	const struct user *found;
	uint64_t account, secret;

	(void)state;
	assert_null(users_find(u, S("sip:a@h")));
	set(u, S("sip:a@h"), MD5, "-", SHA256);
	found = users_find(u, S("sip:a@h"));
	assert_string_equal(found->aor, "sip:a@h");
	assert_string_equal(found->ha1.md5, MD5);
	assert_string_equal(found->ha1.sha256, "");
	assert_string_equal(user_ha1_credential(found), SHA256);
	assert_int_equal(users_lacking(u), 0);
	account = found->account;
	secret = found->secret;
	assert_true(account != 0 && secret != 0);
	set(u, S("sip:a@h"), "", SHA256, "");
	assert_int_equal(users_count(u), 1);
	assert_int_equal(users_lacking(u), 1);
	found = users_find(u, S("sip:a@h"));
	assert_string_equal(found->ha1.md5, "");
	assert_string_equal(found->ha1.sha256, SHA256);
	/* T-48: another password of the same user; then another user of the same name. */
	assert_true(found->account == account && found->secret != secret);
	secret = found->secret;
	assert_true(users_remove(u, S("sip:a@h")));
	assert_int_equal(users_lacking(u), 0);
	set(u, S("sip:a@h"), "", SHA256, "");
	found = users_find(u, S("sip:a@h"));
	assert_true(found->account != account && found->secret != secret);
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
	buf_addf(arg, "%s %llx %llx %s %s %s\n", u->aor, (unsigned long long)u->account, (unsigned long long)u->secret,
		 u->ha1.md5, u->ha1.sha256, user_ha1_credential(u));
}

static void round_trip(void **state)
{
	struct users *u = users_new(S(REALM)), *again = users_new(S(REALM));
	struct buf before = {0}, after = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	assert_int_equal(users_load(again, f.fd, master), ERR_NOTFOUND);
	for (int i = 0; i < 300; i++) {
		char aor[40];

		snprintf(aor, sizeof(aor), "sip:u%d%%20@h", (i * 7919) % 300);
		set(u, slice_str(aor), i % 3 == 0 ? "-" : MD5, i % 5 == 0 ? "-" : SHA256, i % 7 == 0 ? "-" : SHA256);
	}
	assert_int_equal(users_save(u, f.fd, master), ERR_OK);
	assert_int_equal(users_load(again, f.fd, master), ERR_OK);
	assert_int_equal(users_count(again), 300);
	users_each(u, list, &before);
	users_each(again, list, &after);
	assert_string_equal(before.p, after.p);
	assert_int_equal(users_lacking(u), 43);
	assert_int_equal(users_lacking(again), 43);
	assert_false(users_outdated(again));
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
	struct users *u = users_new(S(REALM));
	struct buf text, line = {0};
	struct slice rest, head;

	set(u, S("sip:alice@example.com"), MD5, SHA256, SHA256);
	assert_int_equal(users_save(u, f->fd, master), ERR_OK);
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
	struct user_line l;
	struct folder f;
	struct buf line;

	(void)state;
	folder_open(&f);
	line = one_line(&f);
	assert_true(users_line(buf_slice(&line), &l));
	assert_true(slice_eq(l.aor, S("sip:alice@example.com")) && l.box.n > 200 && l.account != 0 && l.secret != 0);
	assert_true(slice_find(buf_slice(&line), S(SHA256), 0) == line.n);
	for (size_t at = 0; at < line.n; at++) {
		for (int bit = 0; bit < 8; bit++) {
			line.p[at] = (char)(line.p[at] ^ 1 << bit);
			if (users_line(buf_slice(&line), &l))
				fail_msg("octet %zu, bit %d: %s", at, bit, line.p);
			line.p[at] = (char)(line.p[at] ^ 1 << bit);
		}
	}
	for (size_t n = 0; n < line.n; n++) {
		struct slice part = guard_copy(slice_sub(buf_slice(&line), 0, n));

		assert_false(users_line(part, &l));
		guard_free(part);
	}
	buf_addc(&line, ' ');
	assert_false(users_line(buf_slice(&line), &l));
	buf_free(&line);
	folder_remove(&f);
}

/* A line that is damaged costs one user, not the others; a last line needs no line end. */
static void damaged_file(void **state)
{
	struct users *u = users_new(S(REALM));
	struct buf line, text = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	line = one_line(&f);
	buf_addf(&text, "# by hand\n\n%s \nsip:bob@example.com - - 0123456789abcdef\n\n%s", line.p, line.p);
	folder_put(&f, USER_FILE, buf_slice(&text));
	assert_int_equal(users_load(u, f.fd, master), ERR_SYNTAX);
	assert_int_equal(users_count(u), 1);
	assert_non_null(users_find(u, S("sip:alice@example.com")));
	users_free(u);
	u = users_new(S(REALM));
	folder_put(&f, USER_FILE, slice_sub(buf_slice(&text), 0, text.n - 1));
	assert_int_equal(users_load(u, f.fd, master), ERR_SYNTAX);
	assert_int_equal(users_count(u), 0);
	users_free(u);
	buf_free(&line);
	buf_free(&text);
	folder_remove(&f);
}

/* The lines as the version before wrote them: kept, and sealed when the file is written next. */
static void lines_of_an_older_version(void **state)
{
	static const char old[] = "# AOR HA1-MD5 HA1-SHA-256 checksum; changed by \"vouch user\", not by hand\n"
				  "sip:alice@example.com " MD5 " " SHA256 " 4ead44c584214478\n"
				  "sip:bob@example.com - " SHA256 " c413757075cf2a07\n";
	struct users *u = users_new(S(REALM)), *again = users_new(S(REALM));
	const struct user *alice;
	struct folder f;
	struct buf text;

	(void)state;
	folder_open(&f);
	folder_put(&f, USER_FILE, slice_str(old));
	assert_int_equal(users_load(u, f.fd, master), ERR_OK);
	assert_true(users_outdated(u));
	assert_int_equal(users_count(u), 2);
	assert_int_equal(users_lacking(u), 2);
	assert_int_equal(users_save(u, f.fd, master), ERR_OK);
	text = folder_get(&f, USER_FILE);
	assert_true(slice_find(buf_slice(&text), S(SHA256), 0) == text.n);
	buf_free(&text);
	assert_int_equal(users_load(again, f.fd, master), ERR_OK);
	assert_false(users_outdated(again));
	alice = users_find(again, S("sip:alice@example.com"));
	assert_string_equal(alice->ha1.md5, MD5);
	assert_string_equal(alice->ha1.sha256, SHA256);
	assert_true(alice->account == 0 && alice->secret == 0);
	users_free(u);
	users_free(again);
	folder_remove(&f);
}

/* A box opens under its own key, in its own line. */
static void a_box_belongs_to_its_line(void **state)
{
	struct users *u = users_new(S(REALM)), *again = users_new(S(REALM)), *moved = users_new(S(REALM));
	struct slice rest, head, first, second;
	struct buf text, swapped = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	set(u, S("sip:alice@example.com"), MD5, SHA256, SHA256);
	set(u, S("sip:bob@example.com"), MD5, SHA256, SHA256);
	assert_int_equal(users_save(u, f.fd, master), ERR_OK);
	assert_int_equal(users_load(again, f.fd, other), ERR_CRYPTO);
	assert_int_equal(users_count(again), 0);
	assert_int_equal(users_load(again, f.fd, NULL), ERR_OK);
	assert_int_equal(users_count(again), 2);
	assert_string_equal(users_find(again, S("sip:bob@example.com"))->ha1.sha256, "");
	/* Bob's box in alice's line, with a checksum that fits. */
	text = folder_get(&f, USER_FILE);
	assert_true(slice_cut(buf_slice(&text), '\n', &head, &rest) && slice_cut(rest, '\n', &first, &rest) &&
		    slice_cut(rest, '\n', &second, &rest));
	buf_add(&swapped, slice_sub(first, 0, 21));
	buf_add(&swapped, slice_sub(second, 19, slice_rchr(second, ' ')));
	{
		struct slice fields = buf_slice(&swapped);
		char sum[2 * HASH_MAX + 1];

		hash_hex(HASH_SHA256, &fields, 1, sum);
		buf_addf(&swapped, " %.16s\n%.*s\n", sum, SLICE_ARG(second));
	}
	folder_put(&f, USER_FILE, buf_slice(&swapped));
	assert_int_equal(users_load(moved, f.fd, master), ERR_SYNTAX);
	assert_null(users_find(moved, S("sip:alice@example.com")));
	assert_non_null(users_find(moved, S("sip:bob@example.com")));
	buf_free(&text);
	buf_free(&swapped);
	users_free(u);
	users_free(again);
	users_free(moved);
	folder_remove(&f);
}

/* A realm that was changed: the hash is kept, and does not count. */
static void a_hash_is_for_its_realm(void **state)
{
	struct users *u = users_new(S(REALM)), *now = users_new(S("keys.example.com")), *back = users_new(S(REALM));
	struct folder f;

	(void)state;
	folder_open(&f);
	set(u, S("sip:alice@example.com"), MD5, SHA256, SHA256);
	assert_int_equal(users_save(u, f.fd, master), ERR_OK);
	assert_int_equal(users_load(now, f.fd, master), ERR_OK);
	assert_string_equal(user_ha1_credential(users_find(now, S("sip:alice@example.com"))), "");
	assert_int_equal(users_lacking(now), 1);
	assert_int_equal(users_save(now, f.fd, master), ERR_OK);
	assert_int_equal(users_load(back, f.fd, master), ERR_OK);
	assert_string_equal(user_ha1_credential(users_find(back, S("sip:alice@example.com"))), SHA256);
	assert_int_equal(users_lacking(back), 0);
	users_free(u);
	users_free(now);
	users_free(back);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ha1),
		cmocka_unit_test(table),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(damaged_lines),
		cmocka_unit_test(damaged_file),
		cmocka_unit_test(lines_of_an_older_version),
		cmocka_unit_test(a_box_belongs_to_its_line),
		cmocka_unit_test(a_hash_is_for_its_realm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
