#include "tests/test.h"

#include "core/mem.h"
#include "crypto/key.h"
#include "crypto/pbes2.h"
#include "tests/unit/vector.h"

/*
 * The vectors of Project Wycheproof (C2SP) for what Identity and PKCS#8 are made of. They are no part of this
 * repository; where they lie beside it, in ../shared/vectors, they are read, and skipped elsewhere.
 *
 * Their JSON has one member a line, so the last value of each name is enough: "result" ends a test.
 */
#define FOLDER "../shared/vectors/wycheproof/"

enum name { KEY_DER, KEY, MSG, SIG, TAG, PASSWORD, SALT, DK, ITERATIONS, RESULT, NAMES };

static const char *const names[NAMES] = {"publicKeyDer",   "key",   "msg", "sig", "tag", "password", "salt", "dk",
					 "iterationCount", "result"};

struct test {
	struct slice value[NAMES];
	enum hash_alg alg;
	unsigned good, bad, passed_over;
};

/* `  "name": "value",` or a number. false: another line. */
static bool read_line(struct slice line, struct slice *name, struct slice *value)
{
	line = slice_trim(line);
	if (!slice_starts(line, S("\"")) || !slice_cut(slice_sub(line, 1, line.n), '"', name, value) ||
	    !slice_starts(*value, S(": ")))
		return false;
	*value = slice_trim(slice_sub(*value, 2, value->n));
	if (slice_ends(*value, S(",")))
		*value = slice_sub(*value, 0, value->n - 1);
	if (slice_starts(*value, S("\"")))
		*value = slice_sub(*value, 1, value->n - 1);
	return true;
}

static void run(const char *file, enum hash_alg alg, void (*check)(struct test *t), struct test *t)
{
	struct buf text = {0};
	struct slice rest, line, name, value;
	char path[200];

	*t = (struct test){.alg = alg};
	snprintf(path, sizeof(path), FOLDER "%s.json", file);
	if (buf_read_file(&text, path, 8u << 20) != ERR_OK) {
		print_message("%s is not here: skipped\n", path);
		skip();
	}
	rest = buf_slice(&text);
	while (slice_cut(rest, '\n', &line, &rest)) {
		if (!read_line(line, &name, &value))
			continue;
		for (unsigned i = 0; i < NAMES; i++)
			if (slice_eq(name, slice_str(names[i])))
				t->value[i] = value;
		if (slice_eq(name, S("result")))
			check(t);
	}
	buf_free(&text);
}

static bool is_valid(struct test *t)
{
	bool valid = slice_eq(t->value[RESULT], S("valid"));

	t->good += valid;
	t->bad += !valid;
	return valid;
}

/* What is "acceptable" to Wycheproof, a DigestInfo without NULL, is not to us: the padding is compared whole. */
static void check_signature(struct test *t)
{
	struct buf der = vector_hex(t->value[KEY_DER]), msg = vector_hex(t->value[MSG]),
		   sig = vector_hex(t->value[SIG]);
	struct slice part = buf_slice(&msg);
	uint8_t digest[HASH_MAX];
	struct key *k;

	hash_parts(t->alg, &part, 1, digest);
	assert_int_equal(key_read_public(buf_slice(&der), &k), ERR_OK);
	assert_int_equal(key_verify(k, t->alg, digest, buf_slice(&sig)), is_valid(t) ? ERR_OK : ERR_CRYPTO);
	key_free(k);
	buf_free(&der);
	buf_free(&msg);
	buf_free(&sig);
}

static void rsa_signatures(void **state)
{
	struct test t;

	(void)state;
	run("rsa_signature_2048_sha256_test", HASH_SHA256, check_signature, &t);
	assert_int_equal(t.good, 9);
	assert_int_equal(t.bad, 250);
}

static void check_mac(struct test *t)
{
	struct buf key = vector_hex(t->value[KEY]), msg = vector_hex(t->value[MSG]), tag = vector_hex(t->value[TAG]);
	struct slice part = buf_slice(&msg);
	uint8_t mac[HASH_MAX];

	hmac_parts(t->alg, buf_slice(&key), &part, 1, mac);
	assert_true(tag.n <= hash_size(t->alg));
	assert_int_equal(mem_equal_ct(mac, tag.p, tag.n), is_valid(t));
	buf_free(&key);
	buf_free(&msg);
	buf_free(&tag);
}

static void macs(void **state)
{
	struct test t;

	(void)state;
	run("hmac_sha1_test", HASH_SHA1, check_mac, &t);
	assert_int_equal(t.good + t.bad, 170);
	run("hmac_sha256_test", HASH_SHA256, check_mac, &t);
	assert_int_equal(t.good, 66);
	assert_int_equal(t.bad, 108);
}

/* At most 64 octets and so many rounds: more is nothing that is ever asked for here. */
static void check_kdf(struct test *t)
{
	struct buf pass = vector_hex(t->value[PASSWORD]), salt = vector_hex(t->value[SALT]),
		   dk = vector_hex(t->value[DK]);
	uint32_t rounds;
	uint8_t out[64];

	assert_true(slice_u32(t->value[ITERATIONS], UINT32_MAX, &rounds));
	assert_true(is_valid(t));
	if (dk.n > sizeof(out) || rounds > 100000) {
		t->passed_over++;
	} else {
		pbkdf2(t->alg, buf_slice(&pass), buf_slice(&salt), rounds, out, dk.n);
		assert_memory_equal(out, dk.p, dk.n);
	}
	buf_free(&pass);
	buf_free(&salt);
	buf_free(&dk);
}

static void key_derivation(void **state)
{
	struct test t;

	(void)state;
	run("pbkdf2_hmacsha1_test", HASH_SHA1, check_kdf, &t);
	assert_int_equal(t.good, 64);
	assert_int_equal(t.passed_over, 17);
	run("pbkdf2_hmacsha256_test", HASH_SHA256, check_kdf, &t);
	assert_int_equal(t.good, 60);
	assert_int_equal(t.passed_over, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rsa_signatures),
		cmocka_unit_test(macs),
		cmocka_unit_test(key_derivation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
