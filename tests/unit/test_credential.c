#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/hash.h"
#include "store/credential.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

static void count_one(void *arg, const struct credential *c)
{
	(void)c;
	++*(unsigned *)arg;
}

static unsigned count_of(const struct credential_store *s)
{
	unsigned n = 0;

	credential_each(s, count_one, &n);
	return n;
}

static const uint8_t master[SEAL_KEY] = {"0123456789abcdef0123456789abcde"};
static const uint8_t other_master[SEAL_KEY] = {"0123456789abcdef0123456789abcdE"};

#define ALICE S("sip:alice@example.com")
#define KEY S("what only she may know, \0 and more \xff octets of it")
#define CERT S("\x30\x03 certificate \0\n-----END CERTIFICATE-----\nchecksum: 0")

static struct credential_change change_of(struct slice aor)
{
	return (struct credential_change){.aor = aor,
					  .etag = S("00112233445566778899aabbccddeeff"),
					  .cert = CERT,
					  .key = KEY,
					  .published = 1,
					  .expires = 4102444800,
					  .not_before = 5000000000,
					  .not_after = INT64_MAX,
					  .made_here = true};
}

static struct credential_store *open_store(struct folder *f)
{
	struct credential_store *s = NULL;
	struct buf why = {0};

	folder_start(f, 10);
	assert_int_equal(credential_store_open(f->fd, f->commit, master, &s, &why), ERR_OK);
	assert_int_equal(why.n, 0);
	return s;
}

static void close_store(struct folder *f, struct credential_store *s)
{
	work_free(f->disk);
	credential_store_free(s);
	commit_free(f->commit);
	loop_free(f->loop);
}

static void put(struct folder *f, struct credential_store *s, const struct credential_change *c)
{
	f->waiting++;
	assert_int_equal(credential_put(s, c, folder_done, f), ERR_OK);
	assert_int_equal(folder_wait(f), ERR_OK);
}

/* The one record file of the folder. */
static void record_name(struct folder *f, char out[100])
{
	DIR *dir = opendir(f->path);
	const struct dirent *entry;

	out[0] = '\0';
	while ((entry = readdir(dir)) != NULL)
		if (slice_ends(slice_str(entry->d_name), S(".rec")))
			snprintf(out, 100, "%.99s", entry->d_name);
	closedir(dir);
	assert_true(out[0] != '\0');
}

/* The text of a record of alice's, as it is on the disk. */
static struct buf record(struct folder *f)
{
	struct credential_store *s = open_store(f);
	struct credential_change c = change_of(ALICE);
	struct buf text;
	char name[100];

	put(f, s, &c);
	close_store(f, s);
	record_name(f, name);
	text = folder_get(f, name);
	return text;
}

static void check_cred(const struct credential *c)
{
	assert_string_equal(c->aor, "sip:alice@example.com");
	assert_string_equal(c->etag, "00112233445566778899aabbccddeeff");
	assert_int_equal(c->generation, 1);
	assert_int_equal(c->published, 1);
	assert_true(c->expires == 4102444800 && c->not_before == 5000000000 && c->not_after == INT64_MAX);
	assert_true(c->present && c->has_key && c->made_here);
}

static void round_trip(void **state)
{
	struct buf cert = {0}, key = {0};
	struct credential_store *s;
	struct folder f;
	struct buf text;
	struct credential c;

	(void)state;
	folder_open(&f);
	text = record(&f);
	assert_int_equal(credential_record_read(master, buf_slice(&text), &c, &cert, &key), ERR_OK);
	check_cred(&c);
	assert_true(slice_eq(buf_slice(&cert), CERT) && slice_eq(buf_slice(&key), KEY));
	mem_free(c.aor);
	/* The same by way of the store, after a restart. */
	s = open_store(&f);
	assert_int_equal(count_of(s), 1);
	check_cred(credential_find(s, ALICE));
	assert_null(credential_find(s, S("sip:bob@example.com")));
	buf_free(&cert);
	buf_free(&key);
	assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
	assert_true(slice_eq(buf_slice(&cert), CERT) && slice_eq(buf_slice(&key), KEY));
	/* One of them is enough for some. */
	buf_clear(&cert);
	buf_clear(&key);
	assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, NULL), ERR_OK);
	assert_int_equal(credential_read(s, credential_find(s, ALICE), NULL, &key), ERR_OK);
	assert_true(slice_eq(buf_slice(&cert), CERT) && slice_eq(buf_slice(&key), KEY));
	close_store(&f, s);
	buf_free(&cert);
	buf_free(&key);
	buf_free(&text);
	folder_remove(&f);
}

/* From the rename in the worker until the loop learns of it the file is the next record: what is served is the old one.
 */
static void read_while_written(void **state)
{
	struct credential_change c = change_of(ALICE);
	struct buf cert = {0}, key = {0};
	struct credential_store *s;
	struct folder f;
	char name[100];
	bool there = false;

	(void)state;
	folder_open(&f);
	s = open_store(&f);
	put(&f, s, &c);
	record_name(&f, name);
	c.cert = S("\x30\x01n");
	c.key = SLICE_NONE;
	f.waiting++;
	assert_int_equal(credential_put(s, &c, folder_done, &f), ERR_OK);
	for (int i = 0; i < 10000 && !there; i++) {
		struct buf text = folder_get(&f, name);

		there = slice_find(buf_slice(&text), S("\ngeneration: 2\n"), 0) < text.n;
		buf_free(&text);
		assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
		assert_true(slice_eq(buf_slice(&cert), CERT) && slice_eq(buf_slice(&key), KEY));
		buf_free(&cert);
		buf_free(&key);
		usleep(1000);
	}
	assert_true(there);
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
	assert_true(slice_eq(buf_slice(&cert), c.cert) && key.n == 0);
	buf_free(&cert);
	buf_free(&key);
	close_store(&f, s);
	folder_remove(&f);
}

/* The private key is in the file in no form but the sealed one: neither as it is, nor in base64, nor in hexadecimal. */
static void sealed(void **state)
{
	struct folder f;
	struct buf text, octets = {0};
	const char *label;
	static const char *const labels[] = {"VOUCH SEALED PRIVATE KEY", NULL};
	size_t pos = 0;

	(void)state;
	folder_open(&f);
	text = record(&f);
	for (size_t at = 0; at + 8 <= KEY.n; at++) {
		struct slice part = slice_sub(KEY, at, at + 8), middle;
		struct buf form = {0};

		assert_int_equal(slice_find(buf_slice(&text), part, 0), text.n);
		base64_encode(&form, slice_sub(KEY, at, at + 9));
		middle = slice_sub(buf_slice(&form), 0, 12);
		assert_int_equal(slice_find(buf_slice(&text), middle, 0), text.n);
		buf_clear(&form);
		hex_encode(&form, part);
		assert_int_equal(slice_find(buf_slice(&text), buf_slice(&form), 0), text.n);
		buf_free(&form);
	}
	assert_int_equal(pem_read(buf_slice(&text), labels, &pos, &label, &octets), ERR_OK);
	assert_int_equal(octets.n, KEY.n + SEAL_OVERHEAD);
	assert_int_equal(slice_find(buf_slice(&octets), S("only she"), 0), octets.n);
	/* Nor is the AOR in the name of the file. */
	char name[100];

	record_name(&f, name);
	assert_int_equal(slice_find(slice_str(name), S("alice"), 0), strlen(name));
	assert_int_equal(strlen(name), 64 + 4);
	buf_free(&octets);
	buf_free(&text);
	folder_remove(&f);
}

/* Any one bit and any cut: never taken for a record, neither for the index nor when it is read in full. */
static void damage_is_seen(void **state)
{
	struct folder f;
	struct buf text;

	(void)state;
	folder_open(&f);
	text = record(&f);
	for (size_t bit = 0; bit < text.n * 8; bit++) {
		struct buf cert = {0}, key = {0};
		struct credential c;

		text.p[bit / 8] = (char)(text.p[bit / 8] ^ 1 << bit % 8);
		memset(&c, PREFIX_FILL, sizeof(c));
		if (credential_record_read(master, buf_slice(&text), &c, NULL, NULL) == ERR_OK ||
		    credential_record_read(master, buf_slice(&text), &c, &cert, &key) == ERR_OK)
			fail_msg("octet %zu, bit %zu", bit / 8, bit % 8);
		assert_true(untouched(&c, sizeof(c)));
		/* No flipped bit makes it a record of another version. */
		assert_int_not_equal(credential_record_read(master, buf_slice(&text), &c, NULL, NULL), ERR_UNSUPPORTED);
		text.p[bit / 8] = (char)(text.p[bit / 8] ^ 1 << bit % 8);
		buf_free(&cert);
		buf_free(&key);
	}
	for (size_t n = 0; n < text.n; n++) {
		struct slice part = guard_copy(slice_sub(buf_slice(&text), 0, n));
		struct credential c;
		enum err e = credential_record_read(master, part, &c, NULL, NULL);

		assert_true(e == ERR_SYNTAX || e == ERR_CRYPTO);
		guard_free(part);
	}
	buf_addc(&text, '\n');
	struct credential c;

	assert_int_not_equal(credential_record_read(master, buf_slice(&text), &c, NULL, NULL), ERR_OK);
	buf_free(&text);
	folder_remove(&f);
}

/* text with a part of it replaced and the checksum made to fit again. */
static struct buf forged(struct slice text, const char *old, const char *new)
{
	size_t at = slice_find(text, slice_str(old), 0), end = slice_find(text, S("\nchecksum: "), 0) + 1;
	struct slice covered;
	struct buf b = {0};
	char sum[2 * HASH_MAX + 1];

	assert_true(at < end && end < text.n);
	/* The last "checksum: " is the real one: the certificate has one in its base64 form only. */
	buf_add(&b, slice_sub(text, 0, at));
	buf_adds(&b, new);
	buf_add(&b, slice_sub(text, at + strlen(old), end));
	covered = buf_slice(&b);
	hash_hex(HASH_SHA256, &covered, 1, sum);
	buf_addf(&b, "checksum: %s\n", sum);
	return b;
}

/* The sealed key belongs to its AOR and its master key, whatever the checksum says. */
static void key_is_bound(void **state)
{
	struct buf text, bob, key = {0}, cert = {0};
	struct folder f;
	struct credential c;

	(void)state;
	folder_open(&f);
	text = record(&f);
	bob = forged(buf_slice(&text), "aor: sip:alice@", "aor: sip:mallory@");
	assert_int_equal(credential_record_read(master, buf_slice(&bob), &c, NULL, NULL), ERR_OK);
	mem_free(c.aor);
	assert_int_equal(credential_record_read(master, buf_slice(&bob), &c, &cert, &key), ERR_CRYPTO);
	assert_int_equal(key.n, 0);
	assert_int_equal(credential_record_read(other_master, buf_slice(&text), &c, &cert, &key), ERR_CRYPTO);
	assert_int_equal(key.n, 0);
	buf_free(&text);
	buf_free(&bob);
	buf_free(&cert);
	buf_free(&key);
	folder_remove(&f);
}

/* At start: what is damaged, or under the name of another, goes out of the way, and the rest is served. */
static void set_aside(void **state)
{
	struct credential_change alice = change_of(ALICE), bob = change_of(S("sip:bob@example.com"));
	struct credential_store *s;
	struct folder f;
	char name[100], copy[100], bad[110];
	struct buf text;

	(void)state;
	folder_open(&f);
	s = open_store(&f);
	put(&f, s, &alice);
	record_name(&f, name);
	put(&f, s, &bob);
	close_store(&f, s);
	text = folder_get(&f, name);
	/* A copy under a name that is not its own, a cut one, and files that are none of these. */
	memset(copy, '0', 64);
	memcpy(copy + 64, ".rec", 5);
	folder_put(&f, copy, buf_slice(&text));
	folder_put(&f, name, slice_sub(buf_slice(&text), 0, text.n - 1));
	folder_put(&f, "empty.rec", S(""));
	folder_put(&f, "users", S("not a record"));
	s = open_store(&f);
	assert_int_equal(count_of(s), 1);
	assert_null(credential_find(s, ALICE));
	assert_non_null(credential_find(s, S("sip:bob@example.com")));
	snprintf(bad, sizeof(bad), "%s.bad", name);
	assert_true(!folder_has(&f, name) && folder_holds(&f, bad, slice_sub(buf_slice(&text), 0, text.n - 1)));
	assert_true(!folder_has(&f, copy) && !folder_has(&f, "empty.rec") && folder_has(&f, "empty.rec.bad"));
	assert_true(folder_has(&f, "users"));
	close_store(&f, s);
	buf_free(&text);
	folder_remove(&f);
}

/* What a newer program wrote is not touched: this one does not start. */
static void newer_version(void **state)
{
	struct credential_store *s = NULL;
	struct buf text, newer, why = {0};
	struct folder f;
	char name[100];
	struct credential c;

	(void)state;
	folder_open(&f);
	text = record(&f);
	newer = forged(buf_slice(&text), "vouch-credential: 1\n", "vouch-credential: 2\n");
	assert_int_equal(credential_record_read(master, buf_slice(&newer), &c, NULL, NULL), ERR_UNSUPPORTED);
	record_name(&f, name);
	folder_put(&f, name, buf_slice(&newer));
	folder_start(&f, 10);
	assert_int_equal(credential_store_open(f.fd, f.commit, master, &s, &why), ERR_UNSUPPORTED);
	assert_null(s);
	assert_true(slice_find(buf_slice(&why), slice_str(name), 0) < why.n);
	assert_true(folder_holds(&f, name, buf_slice(&newer)));
	assert_int_equal(folder_files(&f), 1);
	folder_stop(&f);
	buf_free(&text);
	buf_free(&newer);
	buf_free(&why);
	folder_remove(&f);
}

/* Published, changed, revoked, published again: the generation counts on, and a revoked key is in no file. */
static void changes(void **state)
{
	struct credential_change c = change_of(ALICE);
	struct credential_store *s;
	struct folder f;
	struct buf cert = {0}, key = {0}, text;
	char name[100];

	(void)state;
	folder_open(&f);
	s = open_store(&f);
	put(&f, s, &c);
	c.key = SLICE_NONE;
	c.etag = S("e2");
	put(&f, s, &c);
	assert_int_equal(credential_find(s, ALICE)->generation, 2);
	assert_false(credential_find(s, ALICE)->has_key);
	assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
	assert_true(slice_eq(buf_slice(&cert), CERT) && key.n == 0);
	c = change_of(ALICE);
	c.cert = S("");
	put(&f, s, &c);
	assert_int_equal(credential_find(s, ALICE)->generation, 3);
	assert_true(!credential_find(s, ALICE)->present && !credential_find(s, ALICE)->has_key);
	assert_string_equal(credential_find(s, ALICE)->etag, "");
	assert_int_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_NOTFOUND);
	close_store(&f, s);
	record_name(&f, name);
	text = folder_get(&f, name);
	assert_int_equal(slice_find(buf_slice(&text), S("BEGIN"), 0), text.n);
	buf_free(&text);
	s = open_store(&f);
	assert_true(credential_find(s, ALICE)->generation == 3 && !credential_find(s, ALICE)->present);
	c = change_of(ALICE);
	put(&f, s, &c);
	assert_int_equal(credential_find(s, ALICE)->generation, 4);
	assert_int_equal(count_of(s), 1);
	close_store(&f, s);
	buf_free(&cert);
	buf_free(&key);
	folder_remove(&f);
}

/* The index shows a change when it is durable, not before, and not when it failed. */
static void index_follows_disk(void **state)
{
	struct credential_change c = change_of(ALICE);
	struct credential_store *s;
	struct folder f;
	char name[100], temporary[110];

	(void)state;
	folder_open(&f);
	s = open_store(&f);
	f.waiting++;
	assert_int_equal(credential_put(s, &c, folder_done, &f), ERR_OK);
	assert_null(credential_find(s, ALICE));
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_non_null(credential_find(s, ALICE));
	record_name(&f, name);
	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	assert_int_equal(mkdirat(f.fd, temporary, 0700), 0);
	c.cert = S("");
	f.waiting++;
	assert_int_equal(credential_put(s, &c, folder_done, &f), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_IO);
	check_cred(credential_find(s, ALICE));
	/* Somebody changed the file behind the program's back, or put an old one there. */
	struct buf cert = {0}, key = {0}, old = folder_get(&f, name);

	folder_put(&f, name, S("nonsense"));
	assert_int_not_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
	assert_int_equal(unlinkat(f.fd, temporary, AT_REMOVEDIR), 0);
	c = change_of(ALICE);
	put(&f, s, &c);
	folder_put(&f, name, buf_slice(&old));
	buf_free(&old);
	assert_int_not_equal(credential_read(s, credential_find(s, ALICE), &cert, &key), ERR_OK);
	assert_true(cert.n == 0 && key.n == 0);
	buf_free(&cert);
	buf_free(&key);
	close_store(&f, s);
	folder_remove(&f);
}

static void store_is_busy(void **state)
{
	struct credential_change c = change_of(ALICE);
	struct credential_store *s;
	struct folder f;

	(void)state;
	folder_open(&f);
	s = open_store(&f);
	for (int i = 0; i < 11; i++) {
		char aor[40];

		snprintf(aor, sizeof(aor), "sip:u%d@h", i);
		c.aor = slice_str(aor);
		f.waiting += i < 10;
		assert_int_equal(credential_put(s, &c, folder_done, &f), i < 10 ? ERR_OK : ERR_BUSY);
	}
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_int_equal(count_of(s), 10);
	close_store(&f, s);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),         cmocka_unit_test(read_while_written), cmocka_unit_test(sealed),
		cmocka_unit_test(damage_is_seen),     cmocka_unit_test(key_is_bound),       cmocka_unit_test(set_aside),
		cmocka_unit_test(index_follows_disk), cmocka_unit_test(newer_version),      cmocka_unit_test(changes),
		cmocka_unit_test(store_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
