#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "crypto/der.h"
#include "crypto/keywrap.h"
#include "crypto/pbes2.h"
#include "crypto/pkcs8.h"
#include "tests/unit/guard.h"
#include "tests/unit/vector.h"

static struct buf key_file(struct slice name, const char *form)
{
	char path[80];

	snprintf(path, sizeof(path), "pkcs8/%.*s%s", SLICE_ARG(name), form);
	return vector_file(path);
}

static bool contains(struct slice s, const char *what)
{
	return slice_find(s, slice_str(what), 0) < s.n;
}

/*
 * taken: what we do with a row. Where the table leaves it open: keys that are not PKCS#8, not plain RSA or EC, with
 * octets behind or with a slip in the numbers are refused, and so is BER (FMT-09).
 */
static bool taken(struct slice expect, struct slice file)
{
	if (contains(file, ".pkcs1.") || slice_eq(file, S("plain-rsa-leading-zeros.der")))
		return false;
	return slice_starts(expect, S("OK"));
}

/* All objects of tests/vectors/pkcs8. What is taken must be the very key, octet by octet. */
static void vectors(void **state)
{
	struct buf index = vector_file("pkcs8/index.tsv");
	struct slice rest = buf_slice(&index), f[VECTOR_FIELDS];
	size_t good = 0, bad = 0;

	(void)state;
	assert_true(vector_row(&rest, f));
	while (vector_row(&rest, f)) {
		struct buf file = key_file(f[0], "");
		struct slice pass = slice_eq(f[8], S("-")) ? SLICE_NONE : f[8], at_edge = guard_copy(buf_slice(&file));
		bool want = taken(f[9], f[0]);
		struct key *k = NULL;
		enum err e;

		/* Ten million is allowed, and takes half a minute. */
		if (slice_eq(f[0], S("bad-iter-10million.der")))
			e = ERR_CRYPTO;
		else
			e = pkcs8_read(at_edge, pass, &k);
		if ((e == ERR_OK) != want)
			fail_msg("%.*s: %s", SLICE_ARG(f[0]), err_str(e));
		if (e == ERR_OK) {
			bool other_way = slice_eq(f[0], S("plain-rsa-swapped-pq.der"));
			struct buf plain = key_file(f[2], ".plain.der"), made = {0};

			assert_int_equal(pkcs8_write(k, &made), ERR_OK);
			if (slice_eq(buf_slice(&made), buf_slice(&plain)) == other_way)
				fail_msg("%.*s: another key", SLICE_ARG(f[0]));
			buf_free(&plain);
			buf_free(&made);
			good++;
		} else {
			bad++;
		}
		key_free(k);
		guard_free(at_edge);
		buf_free(&file);
	}
	print_message("%zu taken, %zu refused\n", good, bad);
	assert_int_equal(good + bad, 154);
	buf_free(&index);
}

static void reasons(void **state)
{
	static const struct {
		const char *file;
		enum err expect;
	} rows[] = {
		{"rsa2048.3des-sha1.der", ERR_CRYPTO},
		{"bad-iter-2e31-1.der", ERR_LIMIT},
		{"bad-iter-2e32+2048.der", ERR_LIMIT},
		{"bad-iter-2e64+2048.der", ERR_LIMIT},
		{"bad-iter-0.der", ERR_SYNTAX},
		{"bad-iter-negative.der", ERR_SYNTAX},
		{"bad-iter-missing.der", ERR_SYNTAX},
		{"bad-cipher-des.der", ERR_UNSUPPORTED},
		{"bad-scheme-pbes1.der", ERR_UNSUPPORTED},
		{"bad-kdf-scrypt.der", ERR_UNSUPPORTED},
		{"edge-prf-md5.der", ERR_UNSUPPORTED},
		{"edge-salt-othersource.der", ERR_UNSUPPORTED},
		{"edge-keylength-wrong.der", ERR_CRYPTO},
		{"bad-iv-7.der", ERR_SYNTAX},
		{"bad-wrappad-integrity.der", ERR_CRYPTO},
		{"bad-ct-not-block.der", ERR_CRYPTO},
		{"wrong-password-goodpad-1.der", ERR_CRYPTO},
		{"bad-indefinite.der", ERR_SYNTAX}, /* BER */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf file = key_file(slice_str(rows[i].file), ""), plain = {0};

		buf_adds(&plain, "kept");
		assert_int_equal(pkcs8_decrypt(buf_slice(&file), S("w359"), &plain), rows[i].expect);
		assert_string_equal(plain.p, "kept");
		buf_free(&file);
		buf_free(&plain);
	}
}

static void no_pass_phrase(void **state)
{
	struct buf file = key_file(S("rsa2048.3des-sha1.pem"), "");
	struct key *k;

	(void)state;
	assert_int_equal(pkcs8_read(buf_slice(&file), SLICE_NONE, &k), ERR_NOTFOUND);
	assert_int_equal(pkcs8_read(buf_slice(&file), S(""), &k), ERR_CRYPTO);
	buf_free(&file);
}

static void pbkdf2_vectors(void **state)
{
	struct buf file = vector_file("kdf/pbkdf2.tsv");
	struct slice rest = buf_slice(&file), f[VECTOR_FIELDS];
	size_t n = 0;

	(void)state;
	assert_true(vector_row(&rest, f));
	while (vector_row(&rest, f)) {
		struct buf pass = vector_hex(f[3]), salt = vector_hex(f[4]), want = vector_hex(f[7]);
		uint32_t iterations;
		uint8_t out[64];

		assert_true(slice_u32(f[5], UINT32_MAX, &iterations));
		/* RFC 6070's 16,777,216 are over our limit and take a minute. */
		if (iterations <= 1000000) {
			pbkdf2(slice_eq(f[2], S("hmac-sha1")) ? HASH_SHA1 : HASH_SHA256, buf_slice(&pass),
			       buf_slice(&salt), iterations, out, want.n);
			assert_memory_equal(out, want.p, want.n);
			n++;
		}
		buf_free(&pass);
		buf_free(&salt);
		buf_free(&want);
	}
	assert_int_equal(n, 17);
	buf_free(&file);
}

static void key_wrap(void **state)
{
	struct buf file = vector_file("kdf/aes-wrap-pad.tsv");
	struct slice rest = buf_slice(&file), f[VECTOR_FIELDS];

	(void)state;
	assert_true(vector_row(&rest, f));
	while (vector_row(&rest, f)) {
		struct buf kek = vector_hex(f[1]), plain = vector_hex(f[2]), wrapped = vector_hex(f[3]), got = {0};

		keywrap_close(buf_slice(&kek), buf_slice(&plain), &got);
		assert_true(slice_eq(buf_slice(&got), buf_slice(&wrapped)));
		buf_clear(&got);
		assert_int_equal(keywrap_open(buf_slice(&kek), buf_slice(&wrapped), &got), ERR_OK);
		assert_true(slice_eq(buf_slice(&got), buf_slice(&plain)));
		for (size_t i = 0; i < wrapped.n; i++) {
			wrapped.p[i] ^= 1;
			assert_int_equal(keywrap_open(buf_slice(&kek), buf_slice(&wrapped), &got), ERR_CRYPTO);
			assert_int_equal(keywrap_open(buf_slice(&kek), slice_sub(buf_slice(&wrapped), 0, i), &got),
					 ERR_CRYPTO);
			wrapped.p[i] ^= 1;
		}
		buf_free(&kek);
		buf_free(&plain);
		buf_free(&wrapped);
		buf_free(&got);
	}
	for (size_t n = 1; n < 40; n++) {
		struct slice plain = slice_sub(S("0123456789abcdef0123456789abcdef01234567"), 0, n);
		struct buf wrapped = {0}, got = {0};

		keywrap_close(S("0123456789abcdef"), plain, &wrapped);
		assert_int_equal(wrapped.n, 8 + (n + 7) / 8 * 8);
		assert_int_equal(keywrap_open(S("0123456789abcdef"), buf_slice(&wrapped), &got), ERR_OK);
		assert_true(slice_eq(buf_slice(&got), plain));
		buf_free(&wrapped);
		buf_free(&got);
	}
	buf_free(&file);
}

/* ask: what a shell command prints, at most size - 1 octets. */
static void ask(const char *command, char *out, size_t size)
{
	FILE *pipe = popen(command, "r");
	size_t n;

	assert_non_null(pipe);
	n = fread(out, 1, size - 1, pipe);
	out[n] = '\0';
	pclose(pipe);
}

static void write_temp(char path[32], struct slice octets)
{
	int fd;

	strcpy(path, "/tmp/vouch-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets.p, octets.n), octets.n);
	close(fd);
}

/* What we encrypt, openssl and we decrypt to the same key. */
static void encrypt(void **state)
{
	static const char *const names[] = {"rsa2048", "ecp256"};
	static const enum pkcs8_profile profiles[] = {PKCS8_3DES, PKCS8_AES_CBC, PKCS8_WRAP_PAD};
	static const char *const pass = "p\xc3\xa4sswort";

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct buf plain = key_file(slice_str(names[i / 3]), ".plain.der"), der = {0}, twice = {0}, back = {0};
		char path[32], command[200], out[4096];
		struct buf spki_a = {0}, spki_b = {0};
		struct key *a, *b;
		size_t len;

		assert_int_equal(pkcs8_encrypt(buf_slice(&plain), slice_str(pass), profiles[i % 3], 1000, &der),
				 ERR_OK);
		assert_int_equal(pkcs8_encrypt(buf_slice(&plain), slice_str(pass), profiles[i % 3], 1000, &twice),
				 ERR_OK);
		assert_false(slice_eq(buf_slice(&der), buf_slice(&twice)));
		assert_int_equal(pkcs8_shape(buf_slice(&der), &len), PKCS8_ENCRYPTED);
		assert_int_equal(len, der.n);
		assert_int_equal(pkcs8_decrypt(buf_slice(&der), slice_str(pass), &back), ERR_OK);
		assert_true(slice_eq(buf_slice(&back), buf_slice(&plain)));
		buf_clear(&back);
		assert_int_equal(pkcs8_decrypt(buf_slice(&der), S("passwort"), &back), ERR_CRYPTO);
		write_temp(path, buf_slice(&der));
		snprintf(command, sizeof(command),
			 "openssl pkey -inform DER -in %s -passin pass:'%s' 2>&1 | openssl pkey -outform DER 2>&1 |"
			 " openssl base64 -A",
			 path, pass);
		ask(command, out, sizeof(out));
		assert_int_equal(base64_decode(&back, slice_str(out)), ERR_OK);
		assert_int_equal(key_read_private(buf_slice(&plain), &a), ERR_OK);
		assert_int_equal(key_read_private(buf_slice(&back), &b), ERR_OK);
		key_spki(a, &spki_a);
		key_spki(b, &spki_b);
		assert_true(slice_eq(buf_slice(&spki_a), buf_slice(&spki_b)));
		key_free(a);
		key_free(b);
		buf_free(&spki_a);
		buf_free(&spki_b);
		unlink(path);
		buf_free(&plain);
		buf_free(&der);
		buf_free(&twice);
		buf_free(&back);
	}
}

/* What openssl encrypts, we decrypt. */
static void decrypt_openssl(void **state)
{
	static const char *const ciphers[] = {"des3 -v2prf hmacWithSHA1",
					      "des3 -v2prf hmacWithSHA256",
					      "aes-128-cbc -v2prf hmacWithSHA1",
					      "aes-192-cbc",
					      "aes-256-cbc",
					      "id-aes128-wrap-pad -v2prf hmacWithSHA256",
					      "id-aes128-wrap-pad -v2prf hmacWithSHA1"};
	struct buf plain = key_file(S("rsa1024"), ".plain.der");

	(void)state;
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct buf der = {0}, got = {0};
		char command[300], out[4096];

		snprintf(command, sizeof(command),
			 "openssl pkcs8 -topk8 -in tests/vectors/pkcs8/rsa1024.plain.pem -v2 %s -passout pass:secret"
			 " -outform DER | openssl base64 -A",
			 ciphers[i]);
		ask(command, out, sizeof(out));
		assert_int_equal(base64_decode(&der, slice_str(out)), ERR_OK);
		if (der.n == 0)
			fail_msg("openssl does not write %s", ciphers[i]);
		assert_int_equal(pkcs8_decrypt(buf_slice(&der), S("secret"), &got), ERR_OK);
		assert_true(slice_eq(buf_slice(&got), buf_slice(&plain)));
		buf_free(&der);
		buf_free(&got);
	}
	buf_free(&plain);
}

static void encrypt_limits(void **state)
{
	struct buf plain = key_file(S("ecp256"), ".plain.der"), der = {0};

	(void)state;
	assert_int_equal(pkcs8_encrypt(buf_slice(&plain), S("x"), PKCS8_3DES, 999, &der), ERR_LIMIT);
	assert_int_equal(pkcs8_encrypt(buf_slice(&plain), S("x"), PKCS8_3DES, PKCS8_ITERATIONS_MAX + 1, &der),
			 ERR_LIMIT);
	assert_int_equal(pkcs8_encrypt(S("no key"), S("x"), PKCS8_3DES, 1000, &der), ERR_SYNTAX);
	buf_addc(&plain, 0);
	assert_int_equal(pkcs8_encrypt(buf_slice(&plain), S("x"), PKCS8_3DES, 1000, &der), ERR_SYNTAX);
	assert_int_equal(der.n, 0);
	buf_free(&plain);
	buf_free(&der);
}

static struct slice take(struct slice *in, uint8_t tag)
{
	struct slice body = SLICE_NONE;

	assert_true(der_take(in, tag, &body));
	return body;
}

/* T-01: keyLength 16 with triple DES means K1, K2, K1. No tool writes it, so it is built here. */
static void two_key_triple_des(void **state)
{
	struct buf plain = key_file(S("ecp256"), ".plain.der"), der = {0}, got = {0}, with_length = {0};
	uint8_t key[24];
	struct slice whole, body, alg, oid, params, kdf, kdf_oid, kdf_params, salt, scheme;
	uint32_t count = 0;
	size_t a, b, c, d, e;

	(void)state;
	assert_int_equal(pkcs8_encrypt(buf_slice(&plain), S("secret"), PKCS8_3DES, 1000, &der), ERR_OK);
	whole = buf_slice(&der);
	body = take(&whole, DER_SEQUENCE);
	alg = take(&body, DER_SEQUENCE);
	oid = take(&alg, DER_OID);
	params = take(&alg, DER_SEQUENCE);
	kdf = take(&params, DER_SEQUENCE);
	kdf_oid = take(&kdf, DER_OID);
	kdf_params = take(&kdf, DER_SEQUENCE);
	salt = take(&kdf_params, DER_OCTETS);
	assert_true(der_u32(&kdf_params, 5000, &count));
	scheme = take(&params, DER_SEQUENCE);
	pbkdf2(HASH_SHA1, S("secret"), salt, count, key, 16);
	memcpy(key + 16, key, 8);
	a = der_open(&with_length, DER_SEQUENCE);
	b = der_open(&with_length, DER_SEQUENCE);
	der_put(&with_length, DER_OID, oid);
	c = der_open(&with_length, DER_SEQUENCE);
	d = der_open(&with_length, DER_SEQUENCE);
	der_put(&with_length, DER_OID, kdf_oid);
	e = der_open(&with_length, DER_SEQUENCE);
	der_put(&with_length, DER_OCTETS, salt);
	der_put_u32(&with_length, count);
	der_put_u32(&with_length, 16);
	der_close(&with_length, e);
	der_close(&with_length, d);
	der_put(&with_length, DER_SEQUENCE, scheme);
	der_close(&with_length, c);
	der_close(&with_length, b);
	{
		/* openssl seals the plain octets under K1, K2, K1 with the same IV. */
		char path[32], command[300], out[2048], hex[49], iv[17];
		struct buf text = {0}, cipher = {0};

		(void)take(&scheme, DER_OID);
		hex_encode(&text, slice_of(key, 24));
		hex_encode(&text, take(&scheme, DER_OCTETS));
		snprintf(hex, sizeof(hex), "%.48s", text.p);
		snprintf(iv, sizeof(iv), "%.16s", text.p + 48);
		write_temp(path, buf_slice(&plain));
		snprintf(command, sizeof(command), "openssl enc -des-ede3-cbc -K %s -iv %s -in %s | openssl base64 -A",
			 hex, iv, path);
		ask(command, out, sizeof(out));
		unlink(path);
		assert_int_equal(base64_decode(&cipher, slice_str(out)), ERR_OK);
		der_put(&with_length, DER_OCTETS, buf_slice(&cipher));
		buf_free(&text);
		buf_free(&cipher);
	}
	der_close(&with_length, a);
	assert_int_equal(pkcs8_decrypt(buf_slice(&with_length), S("secret"), &got), ERR_OK);
	assert_true(slice_eq(buf_slice(&got), buf_slice(&plain)));
	buf_free(&plain);
	buf_free(&der);
	buf_free(&got);
	buf_free(&with_length);
}

static void matches(void **state)
{
	static const char *const names[] = {"rsa1024", "rsa2048", "rsa4096", "ecp256"};
	static const char *const not_pairs[] = {"plain-rsa-n-wrong.der", "plain-rsa-d-wrong.der",
						"plain-rsa-qinv-wrong.der", "plain-rsa-p-zero.der", "plain-rsa-p1.der"};
	struct buf spki[4] = {{0}};
	struct buf file;
	struct key *k;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		file = key_file(slice_str(names[i]), ".plain.der");
		assert_int_equal(key_read_private(buf_slice(&file), &k), ERR_OK);
		key_spki(k, &spki[i]);
		key_free(k);
		buf_free(&file);
	}
	for (size_t i = 0; i < 4; i++) {
		file = key_file(slice_str(names[i]), ".plain.der");
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(pkcs8_matches(buf_slice(&file), buf_slice(&spki[j])),
					 i == j ? ERR_OK : ERR_CRYPTO);
		assert_int_equal(pkcs8_matches(buf_slice(&file), S("")), ERR_SYNTAX);
		buf_addc(&file, '\n');
		assert_int_equal(pkcs8_matches(buf_slice(&file), buf_slice(&spki[i])), ERR_SYNTAX);
		buf_free(&file);
	}
	for (size_t i = 0; i < sizeof(not_pairs) / sizeof(not_pairs[0]); i++) {
		file = key_file(slice_str(not_pairs[i]), "");
		assert_int_equal(pkcs8_matches(buf_slice(&file), buf_slice(&spki[1])), ERR_CRYPTO);
		buf_free(&file);
	}
	for (size_t i = 0; i < 4; i++)
		buf_free(&spki[i]);
}

static void shapes(void **state)
{
	static const struct {
		const char *file;
		enum pkcs8_kind kind;
	} rows[] = {
		{"rsa2048.plain.der", PKCS8_PLAIN},
		{"ecp256.plain.der", PKCS8_PLAIN},
		{"plain-attributes.der", PKCS8_PLAIN},
		{"plain-v2-onekey.der", PKCS8_PLAIN},
		{"plain-version-7.der", PKCS8_NONE},
		{"plain-alg-dsa.der", PKCS8_PLAIN},
		{"rsa2048.3des-sha1.der", PKCS8_ENCRYPTED},
		{"rsa2048.aes128wrappad-sha1.der", PKCS8_ENCRYPTED},
		{"bad-scheme-pbes1.der", PKCS8_ENCRYPTED},
		{"bad-ct-empty.der", PKCS8_NONE},
		{"bad-indefinite.der", PKCS8_NONE}, /* BER */
		{"bad-len-nonminimal.der", PKCS8_NONE},
		{"bad-nesting.der", PKCS8_NONE},
		{"bad-len-huge.der", PKCS8_NONE},
		{"bad-empty.der", PKCS8_NONE},
		{"bad-zero.der", PKCS8_NONE},
		{"trunc-1297.der", PKCS8_NONE},
	};
	struct buf file;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file = key_file(slice_str(rows[i].file), "");
		assert_int_equal(pkcs8_shape(buf_slice(&file), &len), rows[i].kind);
		if (rows[i].kind != PKCS8_NONE)
			assert_int_equal(len, file.n);
		buf_free(&file);
	}
	file = key_file(S("bad-trailing.der"), "");
	assert_int_equal(pkcs8_shape(buf_slice(&file), &len), PKCS8_ENCRYPTED);
	assert_int_equal(len, file.n - 3);
	buf_free(&file);
}

/* every_change: prefixes and single-octet changes of a good file, right before a page that may not be touched. */
static void every_change(void **state)
{
	static const char *const files[] = {"rsa2048.3des-sha1-iter1.der", "ecp256.plain.der", "rsa1024.plain.der"};
	struct buf spki = {0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf file = key_file(slice_str(files[i]), "");
		enum pkcs8_kind kind = i == 0 ? PKCS8_ENCRYPTED : PKCS8_PLAIN;
		struct key *k;
		size_t len;

		if (i > 0) {
			buf_clear(&spki);
			assert_int_equal(key_read_private(buf_slice(&file), &k), ERR_OK);
			key_spki(k, &spki);
			key_free(k);
		}
		for (size_t n = 0; n < file.n; n++) {
			struct slice part = guard_copy(slice_sub(buf_slice(&file), 0, n));

			assert_int_equal(pkcs8_shape(part, &len), PKCS8_NONE);
			assert_int_equal(pkcs8_matches(part, buf_slice(&spki)), ERR_SYNTAX);
			guard_free(part);
		}
		for (size_t n = 0; n < file.n; n++) {
			struct slice copy;
			struct buf plain = {0};
			enum err e;

			file.p[n] ^= 1 << n % 8;
			copy = guard_copy(buf_slice(&file));
			if (pkcs8_shape(copy, &len) != PKCS8_NONE)
				assert_in_range(len, 1, file.n);
			if (kind == PKCS8_PLAIN) {
				e = pkcs8_matches(copy, buf_slice(&spki));
				/* The version, and nothing else, may change within what is one key. */
				assert_true(e != ERR_OK || n == 4 || n == 6);
			} else if (n < 60) {
				e = pkcs8_decrypt(copy, S("password"), &plain);
				assert_int_not_equal(e, ERR_OK);
			}
			buf_free(&plain);
			guard_free(copy);
			file.p[n] ^= 1 << n % 8;
		}
		buf_free(&file);
	}
	buf_free(&spki);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(reasons),
		cmocka_unit_test(no_pass_phrase),
		cmocka_unit_test(pbkdf2_vectors),
		cmocka_unit_test(key_wrap),
		cmocka_unit_test(encrypt),
		cmocka_unit_test(decrypt_openssl),
		cmocka_unit_test(encrypt_limits),
		cmocka_unit_test(two_key_triple_des),
		cmocka_unit_test(matches),
		cmocka_unit_test(shapes),
		cmocka_unit_test(every_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
