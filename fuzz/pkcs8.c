#include "crypto/der.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "fuzz/fuzz.h"

/* Private keys: the first line of the input is the pass phrase (empty: none), the rest DER or PEM. */

#define ITERATIONS_HERE 2048 /* pkcs8.h takes up to PKCS8_ITERATIONS_MAX, which is seconds of work for one input */

/* Would opening der cost more iterations than this target has time for? RFC 8018 A.4. */
static bool is_slow(struct slice der)
{
	struct slice body, alg, oid, params, kdf, inner, salt;
	uint32_t count;

	if (!der_take(&der, DER_SEQUENCE, &body) || !der_take(&body, DER_SEQUENCE, &alg) ||
	    !der_take(&alg, DER_OID, &oid) || !der_take(&alg, DER_SEQUENCE, &params) ||
	    !der_take(&params, DER_SEQUENCE, &kdf) || !der_take(&kdf, DER_OID, &oid) ||
	    !der_take(&kdf, DER_SEQUENCE, &inner) || !der_take(&inner, DER_OCTETS, &salt))
		return false;
	return !der_u32(&inner, ITERATIONS_HERE, &count);
}

static bool is_slow_text(struct slice text)
{
	static const char *const labels[] = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", NULL};
	struct buf der = {0};
	const char *label;
	size_t pos = 0;
	bool slow = false;

	if (pem_read(text, labels, &pos, &label, &der) == ERR_OK)
		slow = is_slow(buf_slice(&der));
	CHECK(pos <= text.n);
	buf_free(&der);
	return slow;
}

/* A key that was read is written, and read again as the same key. */
static void check_key(const struct key *k)
{
	struct buf der = {0}, spki = {0}, spki2 = {0};
	struct key *back;

	CHECK(pkcs8_write(k, &der) == ERR_OK);
	CHECK(key_read_private(buf_slice(&der), &back) == ERR_OK);
	key_spki(k, &spki);
	key_spki(back, &spki2);
	CHECK(slice_eq(buf_slice(&spki), buf_slice(&spki2)) && key_bits(k) == key_bits(back));
	CHECK(pkcs8_matches(buf_slice(&der), buf_slice(&spki)) == ERR_OK);
	key_free(back);
	buf_wipe(&der);
	buf_free(&spki);
	buf_free(&spki2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = input_octets(data, size), pass = input_cut(&text);
	size_t len = 0;
	enum pkcs8_kind kind = pkcs8_shape(text, &len);
	struct buf plain = {0};
	struct key *k;

	CHECK(kind == PKCS8_NONE || (len > 0 && len <= text.n && len <= PKCS8_DER_MAX));
	if (is_slow(text) || is_slow_text(text))
		return 0;
	if (kind == PKCS8_ENCRYPTED && pkcs8_decrypt(slice_sub(text, 0, len), pass, &plain) == ERR_OK)
		CHECK(pkcs8_shape(buf_slice(&plain), &len) == PKCS8_PLAIN && len == plain.n);
	if (pkcs8_read(text, pass.n > 0 ? pass : SLICE_NONE, &k) == ERR_OK) {
		check_key(k);
		key_free(k);
	}
	if (key_read_private(text, &k) == ERR_OK) {
		check_key(k);
		key_free(k);
	}
	buf_wipe(&plain);
	return 0;
}
