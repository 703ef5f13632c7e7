#include "tests/test.h"

#include "crypto/der.h"
#include "crypto/key.h"
#include "tests/unit/guard.h"
#include "tests/unit/vector.h"

static struct buf rsa_spki(struct slice n, struct slice e)
{
	struct buf out = {0};
	size_t all = der_open(&out, DER_SEQUENCE), alg = der_open(&out, DER_SEQUENCE), bits, seq;

	der_put(&out, DER_OID, OID_RSA);
	der_put(&out, DER_NULL, S(""));
	der_close(&out, alg);
	bits = der_open(&out, DER_BITS);
	buf_addc(&out, 0);
	seq = der_open(&out, DER_SEQUENCE);
	der_put_uint(&out, n);
	der_put_uint(&out, e);
	der_close(&out, seq);
	der_close(&out, bits);
	der_close(&out, all);
	return out;
}

/* The NIST CAVP vectors: every way of being wrong that they know, with SHA-1 and SHA-256, 1024 to 4096 bits. */
static void nist_verify(void **state)
{
	struct buf file = vector_file("nist/rsa-pkcs1v15-sigver.tsv");
	struct slice rest = buf_slice(&file), f[VECTOR_FIELDS];
	size_t good = 0, bad = 0;

	(void)state;
	assert_true(vector_row(&rest, f));
	while (vector_row(&rest, f)) {
		enum hash_alg alg = slice_eq(f[2], S("SHA1")) ? HASH_SHA1 : HASH_SHA256;
		struct buf n = vector_hex(f[3]), e = vector_hex(f[4]), msg = vector_hex(f[5]), sig = vector_hex(f[6]);
		struct buf spki = rsa_spki(buf_slice(&n), buf_slice(&e));
		struct slice part = buf_slice(&msg);
		uint8_t digest[HASH_MAX];
		bool pass = slice_eq(f[7], S("P"));
		struct key *k;

		hash_parts(alg, &part, 1, digest);
		assert_int_equal(key_read_public(buf_slice(&spki), &k), ERR_OK);
		assert_int_equal(key_verify(k, alg, digest, buf_slice(&sig)), pass ? ERR_OK : ERR_CRYPTO);
		good += pass;
		bad += !pass;
		key_free(k);
		buf_free(&n);
		buf_free(&e);
		buf_free(&msg);
		buf_free(&sig);
		buf_free(&spki);
	}
	assert_int_equal(good, 30);
	assert_int_equal(bad, 150);
	buf_free(&file);
}

/* RFC 4474 appendix B: signing again must give the octets that the RFC prints. */
static void rfc4474_signatures(void **state)
{
	static const struct {
		const char *text, *key, *sig;
		const char *sha256; /* PKCS#1 v1.5 has one result: made with openssl */
	} rows[] = {
		{"rfc4474/invite.canonical", "rfc4474/atlanta.privkey", "rfc4474/invite.signed",
		 "llbGVvn+3zBmBi0PCNQ94Nm+o/AXxt8ayzk7j9MjD9UjhtkaAIT/zYpI0cjlOtSZa7qDizQ1WEqPSflrx6/"
		 "8YoUCg9lcEZleIlVoE/YATf"
		 "+sVATPYtd1p/Fjr5QVz1/O40xufLgK9ThJodwMDLMXXJdiMWKf8WmmErLeQTEAn3c="},
		{"rfc4474/bye.canonical", "rfc4474/biloxi.privkey", "rfc4474/bye.signed",
		 "VPRyb8Gvz/1pw/"
		 "mi0clO2QJuvOYjdXnvGSw0Dco4f2lh1k50VPSQOF4teq6cKiTS4t1YbyyJueKL57mYkAkTL5otCZ6Wtt2zzCbhM252WA"
		 "6sNBbbRA0adSaYCHMWsv8JFhneunz2c5PDJt+NRA5lLi2rwgsY8Wd/TJG2tBPRiF0="},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf text = vector_file(rows[i].text), pem = vector_file(rows[i].key);
		struct buf sig = vector_file(rows[i].sig), sha256 = {0};
		struct slice part = buf_slice(&text);
		uint8_t digest[HASH_MAX], made[KEY_SIG_MAX];
		struct key *k;
		size_t n;

		assert_int_equal(key_read_private(buf_slice(&pem), &k), ERR_OK);
		assert_int_equal(key_bits(k), 1024);
		hash_parts(HASH_SHA1, &part, 1, digest);
		assert_int_equal(key_sign(k, HASH_SHA1, digest, made, &n), ERR_OK);
		assert_true(slice_eq(slice_of(made, n), buf_slice(&sig)));
		assert_int_equal(key_verify(k, HASH_SHA1, digest, buf_slice(&sig)), ERR_OK);
		hash_parts(HASH_SHA256, &part, 1, digest);
		assert_int_equal(base64_decode(&sha256, slice_str(rows[i].sha256)), ERR_OK);
		assert_int_equal(key_sign(k, HASH_SHA256, digest, made, &n), ERR_OK);
		assert_true(slice_eq(slice_of(made, n), buf_slice(&sha256)));
		assert_int_equal(key_verify(k, HASH_SHA1, digest, buf_slice(&sha256)), ERR_CRYPTO);
		assert_true(key_made(k, HASH_SHA1, buf_slice(&sig)) && key_made(k, HASH_SHA256, buf_slice(&sha256)));
		assert_false(key_made(k, HASH_SHA256, buf_slice(&sig)) || key_made(k, HASH_SHA1, buf_slice(&sha256)));
		assert_false(key_made(k, HASH_SHA1, slice_sub(buf_slice(&sig), 1, sig.n)));
		sig.p[sig.n - 1] ^= 1;
		assert_false(key_made(k, HASH_SHA1, buf_slice(&sig)));
		key_free(k);
		buf_free(&text);
		buf_free(&pem);
		buf_free(&sig);
		buf_free(&sha256);
	}
}

/* signs_for: what a signs, b takes; nothing changed is taken. */
static void signs_for(struct key *a, struct key *b)
{
	uint8_t digest[HASH_MAX] = "a digest of thirty-two octets..", sig[KEY_SIG_MAX + 1];
	size_t n;

	assert_int_equal(key_sign(a, HASH_SHA256, digest, sig, &n), ERR_OK);
	assert_int_equal(key_verify(b, HASH_SHA256, digest, slice_of(sig, n)), ERR_OK);
	assert_int_equal(key_verify(b, HASH_SHA1, digest, slice_of(sig, n)), ERR_CRYPTO);
	assert_int_equal(key_verify(b, HASH_SHA256, digest, slice_of(sig, n + 1)), ERR_CRYPTO);
	assert_int_equal(key_verify(b, HASH_SHA256, digest, slice_of(sig, n - 1)), ERR_CRYPTO);
	assert_int_equal(key_verify(b, HASH_SHA256, digest, SLICE_NONE), ERR_CRYPTO);
	assert_int_equal(key_verify(b, HASH_MD5, digest, slice_of(sig, n)), ERR_CRYPTO);
	for (size_t i = 0; i < n; i += 7) {
		sig[i] ^= 0x10;
		assert_int_equal(key_verify(b, HASH_SHA256, digest, slice_of(sig, n)), ERR_CRYPTO);
		sig[i] ^= 0x10;
	}
	digest[31] ^= 1;
	assert_int_equal(key_verify(b, HASH_SHA256, digest, slice_of(sig, n)), ERR_CRYPTO);
}

static void generated(void **state)
{
	static const struct {
		enum key_kind kind;
		unsigned bits;
	} rows[] = {{KEY_RSA, 1024}, {KEY_RSA, 2048}, {KEY_EC, 256}};
	uint8_t sig[KEY_SIG_MAX];
	struct key *k, *copy, *public_key;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf a = {0}, b = {0};

		assert_int_equal(key_generate(rows[i].kind, rows[i].bits, &k), ERR_OK);
		assert_int_equal(key_kind(k), rows[i].kind);
		assert_int_equal(key_bits(k), rows[i].bits);
		assert_int_equal(key_dup(k, &copy), ERR_OK);
		key_spki(k, &a);
		key_spki(copy, &b);
		assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
		assert_int_equal(key_read_public(buf_slice(&a), &public_key), ERR_OK);
		assert_int_equal(key_bits(public_key), rows[i].bits);
		signs_for(k, public_key);
		signs_for(copy, k);
		assert_int_equal(key_sign(public_key, HASH_SHA256, (const uint8_t *)a.p, sig, &n), ERR_UNSUPPORTED);
		assert_int_equal(key_sign(k, HASH_MD5, (const uint8_t *)a.p, sig, &n), ERR_UNSUPPORTED);
		key_free(copy);
		assert_int_equal(key_dup(public_key, &copy), ERR_OK);
		signs_for(k, copy);
		key_free(k);
		key_free(copy);
		key_free(public_key);
		buf_free(&a);
		buf_free(&b);
	}
	assert_int_equal(key_generate(KEY_RSA, 1016, &k), ERR_UNSUPPORTED);
	assert_int_equal(key_generate(KEY_RSA, 1025, &k), ERR_UNSUPPORTED);
	assert_int_equal(key_generate(KEY_RSA, 4104, &k), ERR_UNSUPPORTED);
	assert_int_equal(key_generate(KEY_EC, 384, &k), ERR_UNSUPPORTED);
}

/* OpenSSL wrote both halves of these: our public half must have its octets. */
static void spki_as_openssl(void **state)
{
	static const char *const names[] = {"rsa1024", "rsa2048", "rsa3072", "rsa4096", "ecp256"};
	static const char *const labels[] = {"PUBLIC KEY", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf private_pem, public_pem, spki = {0}, der = {0};
		const char *label;
		char path[64];
		size_t pos = 0;
		struct key *k;

		snprintf(path, sizeof(path), "pkcs8/%s.plain.pem", names[i]);
		private_pem = vector_file(path);
		snprintf(path, sizeof(path), "pkcs8/%s.pub.pem", names[i]);
		public_pem = vector_file(path);
		assert_int_equal(key_read_private(buf_slice(&private_pem), &k), ERR_OK);
		key_spki(k, &spki);
		assert_int_equal(pem_read(buf_slice(&public_pem), labels, &pos, &label, &der), ERR_OK);
		assert_true(slice_eq(buf_slice(&spki), buf_slice(&der)));
		key_free(k);
		buf_free(&private_pem);
		buf_free(&public_pem);
		buf_free(&spki);
		buf_free(&der);
	}
}

static enum err read_number(struct slice n, struct slice e)
{
	struct buf spki = rsa_spki(n, e);
	struct key *k = NULL;
	enum err r = key_read_public(buf_slice(&spki), &k);

	key_free(k);
	buf_free(&spki);
	return r;
}

static void limits(void **state)
{
	char n[513];

	(void)state;
	memset(n, 0xff, sizeof(n));
	assert_int_equal(read_number(slice_of(n, 512), S("\x03")), ERR_OK);
	assert_int_equal(read_number(slice_of(n, 513), S("\x03")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(slice_of(n, 127), S("\x03")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(slice_of(n, 256), S("\xff\xff\xff\xff")), ERR_OK);
	assert_int_equal(read_number(slice_of(n, 256), S("\x01\0\0\0\1")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(slice_of(n, 256), S("\x01")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(slice_of(n, 256), S("")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(slice_of(n, 256), S("\x01\0\0")), ERR_UNSUPPORTED);
	assert_int_equal(read_number(S(""), S("\x03")), ERR_UNSUPPORTED);
	n[0] = 0x7f;
	assert_int_equal(read_number(slice_of(n, 128), S("\x03")), ERR_UNSUPPORTED);
	n[127] = (char)0xfe;
	n[0] = (char)0xff;
	assert_int_equal(read_number(slice_of(n, 128), S("\x03")), ERR_UNSUPPORTED);
}

static struct slice take(struct slice *in, uint8_t tag)
{
	struct slice body = SLICE_NONE;

	assert_true(der_take(in, tag, &body));
	return body;
}

/* ECPrivateKey with the parts that are given; the numbers are those of ecp256.plain. */
static void ec_forms(void **state)
{
	struct buf pem = vector_file("pkcs8/ecp256.plain.der"), sec1 = {0}, all = {0};
	struct slice info = buf_slice(&pem), seq, inner, in, secret, point;
	struct key *k, *same;
	uint32_t version = 9;

	(void)state;
	assert_int_equal(key_read_private(info, &k), ERR_OK);
	seq = take(&info, DER_SEQUENCE);
	assert_true(der_u32(&seq, 0, &version));
	(void)take(&seq, DER_SEQUENCE);
	inner = take(&seq, DER_OCTETS);
	in = take(&inner, DER_SEQUENCE);
	assert_true(der_u32(&in, 1, &version));
	secret = take(&in, DER_OCTETS);
	point = take(&in, DER_CONTEXT_CONSTRUCTED(1));
	for (int form = 0; form < 5; form++) {
		static const enum err expect[] = {ERR_OK, ERR_OK, ERR_CRYPTO, ERR_UNSUPPORTED, ERR_CRYPTO};
		size_t mark, params;
		enum err e;

		buf_clear(&sec1);
		mark = der_open(&sec1, DER_SEQUENCE);
		der_put_u32(&sec1, 1);
		if (form == 4)
			der_put(&sec1, DER_OCTETS, S("\0\0\0\0")); /* zero is no secret */
		else
			der_put(&sec1, DER_OCTETS, secret);
		if (form != 3) {
			params = der_open(&sec1, DER_CONTEXT_CONSTRUCTED(0));
			der_put(&sec1, DER_OID, OID_P256);
			der_close(&sec1, params);
		}
		if (form == 0 || form == 2)
			der_put(&sec1, DER_CONTEXT_CONSTRUCTED(1), point);
		der_close(&sec1, mark);
		if (form == 2)
			sec1.p[sec1.n - 1] ^= 1; /* a point that is not the secret's */
		same = NULL;
		e = key_read_private(buf_slice(&sec1), &same);
		assert_int_equal(e, expect[form]);
		if (e == ERR_OK)
			signs_for(k, same);
		key_free(same);
	}
	buf_clear(&all);
	buf_adds(&all, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
	assert_int_equal(key_read_private(buf_slice(&all), &same), ERR_SYNTAX);
	key_free(k);
	buf_free(&pem);
	buf_free(&sec1);
	buf_free(&all);
}

/* broken: every prefix and every single-octet change, right before a page that may not be touched. */
static void broken(void **state)
{
	static const char *const files[] = {"pkcs8/rsa1024.plain.der", "pkcs8/ecp256.plain.der"};

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct buf der = vector_file(files[f]);
		struct buf spki = {0};
		struct key *k;

		assert_int_equal(key_read_private(buf_slice(&der), &k), ERR_OK);
		key_spki(k, &spki);
		key_free(k);
		for (size_t n = 0; n < der.n; n++) {
			struct slice part = guard_copy(slice_sub(buf_slice(&der), 0, n));

			assert_int_not_equal(key_read_private(part, &k), ERR_OK);
			guard_free(part);
		}
		for (size_t i = 0; i < spki.n; i++) {
			struct slice part = guard_copy(slice_sub(buf_slice(&spki), 0, i));

			assert_int_not_equal(key_read_public(part, &k), ERR_OK);
			guard_free(part);
		}
		for (size_t i = 0; i < der.n; i++) {
			struct slice copy;
			enum err e;

			der.p[i] ^= 1 << i % 8;
			copy = guard_copy(buf_slice(&der));
			k = NULL;
			e = key_read_private(copy, &k);
			/* In an EC key only the version of PKCS#8 is covered by nothing. */
			assert_true(e != ERR_OK || i == 6 || i == 4);
			key_free(k);
			guard_free(copy);
			der.p[i] ^= 1 << i % 8;
		}
		buf_free(&der);
		buf_free(&spki);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nist_verify), cmocka_unit_test(rfc4474_signatures),
		cmocka_unit_test(generated),   cmocka_unit_test(spki_as_openssl),
		cmocka_unit_test(limits),      cmocka_unit_test(ec_forms),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
