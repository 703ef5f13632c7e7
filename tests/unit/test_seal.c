#include "tests/test.h"

#include "crypto/seal.h"
#include "tests/unit/guard.h"
#include "tests/unit/vector.h"

static const uint8_t key[SEAL_KEY] = "0123456789abcdef0123456789abcde";

static void round_trip(void **state)
{
	char text[70];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t n = 0; n <= sizeof(text); n++) {
		struct slice plain = slice_of(text, n);
		struct buf box = {0}, back = {0};

		seal_close(key, S("context"), plain, &box);
		assert_int_equal(box.n, n + SEAL_OVERHEAD);
		assert_int_equal(seal_open(key, S("context"), buf_slice(&box), &back), ERR_OK);
		assert_true(slice_eq(buf_slice(&back), plain));
		buf_free(&box);
		buf_free(&back);
	}
}

static void known(void **state)
{
	/* NIST's GCM test case 15 (McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B): nonce first.
	 */
	struct buf k = vector_hex(S("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
	struct buf box = vector_hex(S("cafebabefacedbaddecaf888"
				      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
				      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
				      "b094dac5d93471bdec1a502270e3cc6c"));
	struct buf want = vector_hex(S("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
				       "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"));
	struct buf got = {0};

	(void)state;
	assert_int_equal(seal_open((const uint8_t *)k.p, SLICE_NONE, buf_slice(&box), &got), ERR_OK);
	assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
	buf_free(&k);
	buf_free(&box);
	buf_free(&want);
	buf_free(&got);
}

static void refused(void **state)
{
	uint8_t other[SEAL_KEY];
	struct buf box = {0}, got = {0};

	(void)state;
	memcpy(other, key, sizeof(other));
	other[31] ^= 1;
	buf_adds(&got, "kept");
	seal_close(key, S("context"), S("some octets"), &box);
	assert_int_equal(seal_open(other, S("context"), buf_slice(&box), &got), ERR_CRYPTO);
	assert_int_equal(seal_open(key, S("contex"), buf_slice(&box), &got), ERR_CRYPTO);
	assert_int_equal(seal_open(key, SLICE_NONE, buf_slice(&box), &got), ERR_CRYPTO);
	for (size_t n = 0; n < box.n; n++) {
		struct slice part = guard_copy(slice_sub(buf_slice(&box), 0, n));

		assert_int_equal(seal_open(key, S("context"), part, &got), ERR_CRYPTO);
		guard_free(part);
		box.p[n] ^= 0x40;
		assert_int_equal(seal_open(key, S("context"), buf_slice(&box), &got), ERR_CRYPTO);
		box.p[n] ^= 0x40;
	}
	assert_string_equal(got.p, "kept");
	assert_int_equal(seal_open(key, S("context"), buf_slice(&box), &got), ERR_OK);
	assert_string_equal(got.p, "keptsome octets");
	buf_free(&box);
	buf_free(&got);
}

static void never_twice(void **state)
{
	struct buf a = {0}, b = {0};

	(void)state;
	seal_close(key, SLICE_NONE, S("same"), &a);
	seal_close(key, SLICE_NONE, S("same"), &b);
	assert_false(slice_eq(slice_sub(buf_slice(&a), 0, 12), slice_sub(buf_slice(&b), 0, 12)));
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(known),
		cmocka_unit_test(refused),
		cmocka_unit_test(never_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
