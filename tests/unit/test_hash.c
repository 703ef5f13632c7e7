#include "tests/test.h"

#include "crypto/hash.h"
#include "tests/unit/vector.h"

static void digest_is(enum hash_alg alg, struct slice text, const char *hex)
{
	char out[2 * HASH_MAX + 1];
	uint8_t whole[HASH_MAX], split[HASH_MAX];

	hash_hex(alg, &text, 1, out);
	assert_string_equal(out, hex);
	assert_int_equal(strlen(out), 2 * hash_size(alg));
	hash_parts(alg, &text, 1, whole);
	for (size_t i = 0; i <= text.n; i++) {
		struct slice parts[3] = {slice_sub(text, 0, i), SLICE_NONE, slice_sub(text, i, text.n)};

		hash_parts(alg, parts, 3, split);
		assert_memory_equal(whole, split, hash_size(alg));
	}
}

/* RFC 1321 A.5, FIPS 180-2 appendices. */
static void digests(void **state)
{
	(void)state;
	digest_is(HASH_MD5, S(""), "d41d8cd98f00b204e9800998ecf8427e");
	digest_is(HASH_MD5, S("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
	digest_is(HASH_SHA1, S("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest_is(HASH_SHA1, S("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		  "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	digest_is(HASH_SHA256, S("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_is(HASH_SHA256, S(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void kept_key_is(struct slice key, const struct slice parts[2], struct buf mac)
{
	struct hmac_key *k = hmac_key_new(key);
	uint8_t out[32];

	for (int i = 0; i < 2; i++) { /* a sum must not spoil the key */
		memset(out, 0, sizeof(out));
		hmac_key_sum(k, parts, 2, out);
		assert_memory_equal(out, mac.p, mac.n);
	}
	hmac_key_free(k);
}

static void macs(void **state)
{
	struct buf file = vector_file("kdf/hmac.tsv");
	struct slice rest = buf_slice(&file), f[VECTOR_FIELDS];
	size_t n = 0;

	(void)state;
	assert_true(vector_row(&rest, f));
	while (vector_row(&rest, f)) {
		enum hash_alg alg = slice_eq(f[2], S("hmac-md5"))    ? HASH_MD5
				    : slice_eq(f[2], S("hmac-sha1")) ? HASH_SHA1
								     : HASH_SHA256;
		struct buf key = vector_hex(f[3]), data = vector_hex(f[4]), mac = vector_hex(f[5]);
		struct slice parts[2] = {slice_sub(buf_slice(&data), 0, 3), slice_sub(buf_slice(&data), 3, data.n)};
		uint8_t out[HASH_MAX];

		hmac_parts(alg, buf_slice(&key), parts, 2, out);
		/* RFC 4231 4.6 prints the first 128 bits only. */
		assert_true(mac.n == hash_size(alg) || mac.n == 16);
		assert_memory_equal(out, mac.p, mac.n);
		if (alg == HASH_SHA256)
			kept_key_is(buf_slice(&key), parts, mac);
		buf_free(&key);
		buf_free(&data);
		buf_free(&mac);
		n++;
	}
	assert_int_equal(n, 21);
	buf_free(&file);
}

static void empty_key(void **state)
{
	uint8_t a[HASH_MAX], b[HASH_MAX];
	struct slice data = S("x");

	(void)state;
	hmac_parts(HASH_SHA256, SLICE_NONE, &data, 1, a);
	hmac_parts(HASH_SHA256, S("\0"), &data, 1, b);
	kept_key_is(SLICE_NONE, (const struct slice[2]){data, SLICE_NONE}, (struct buf){.p = (char *)a, .n = 32});
	assert_memory_equal(a, b, sizeof(a)); /* RFC 2104: the key is filled up with zeroes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests),
		cmocka_unit_test(macs),
		cmocka_unit_test(empty_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
