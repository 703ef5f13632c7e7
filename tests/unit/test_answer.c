#include "tests/test.h"

#include "sip/message/header.h"
#include "sip/ua/answer.h"
#include "tests/unit/message.h"
#include "tests/unit/vector.h"

/* Digest as the client side: RFC 7616 3.4, RFC 8760, DIG-02, DIG-04, DIG-06. */

#define TOP(status) "SIP/2.0 " status " No\r\n" NEEDED

/* A response with these header lines. The caller's. */
static struct sip_msg *refusal(const char *start, const char *lines)
{
	struct buf b = {0};
	struct sip_msg *m;

	buf_addf(&b, "%s%s%s", start, lines, END);
	m = good_message(buf_slice(&b));
	buf_free(&b);
	return m;
}

static bool taken_of(struct answer *a, struct slice realm, const char *lines, bool *stale)
{
	struct sip_msg *m = refusal(TOP("401"), lines);
	bool ok = answer_take(a, m, realm, HASH_MD5, stale);

	msg_unref(m);
	return ok;
}

static bool taken(struct answer *a, const char *lines, bool *stale)
{
	return taken_of(a, S("r"), lines, stale);
}

/* The value of the line that answer_make writes, which is named name. */
static struct digest_params made(struct answer *a, const struct answer_request *r, const char *name, struct buf *out)
{
	struct digest_params d;
	struct slice line, key, value;

	buf_clear(out);
	answer_make(a, r, out);
	line = buf_slice(out);
	assert_true(slice_ends(line, S("\r\n")));
	if (!slice_cut(line, ':', &key, &value))
		fail_msg("no header line: %s", out->p);
	assert_true(slice_eq(key, slice_str(name)));
	assert_int_equal(digest_params_parse(value, &d), ERR_OK);
	return d;
}

static void hash_of(enum hash_alg alg, const struct slice *parts, char out[2 * HASH_MAX + 1])
{
	struct slice all[11];

	for (size_t i = 0; i < 6; i++) {
		all[2 * i] = parts[i];
		if (i < 5)
			all[2 * i + 1] = S(":");
	}
	hash_hex(alg, all, 11, out);
}

/* HA1 and HA2 are the vector's; only the last step, which cnonce and count enter, is made here, and proven as well. */
static bool try_vector(struct slice f[VECTOR_FIELDS])
{
	bool with_body = slice_eq(f[9], S("auth-int"));
	enum hash_alg alg = slice_eq(f[2], S("MD5")) ? HASH_MD5 : HASH_SHA256;
	struct buf lines = {0}, out = {0}, body = vector_hex(f[12]);
	struct answer a = {0};
	struct digest_params d;
	struct slice parts[6] = {f[13], f[6], f[8], f[7], f[9], f[14]};
	char expected[2 * HASH_MAX + 1];
	bool stale;

	if ((!slice_eq(f[2], S("MD5")) && !slice_eq(f[2], S("SHA-256"))) || f[9].n == 0) {
		buf_free(&body);
		return false;
	}
	hash_of(alg, parts, expected);
	assert_true(slice_eq(slice_str(expected), f[15]));
	buf_addf(&lines, "WWW-Authenticate: Digest realm=\"%.*s\", nonce=\"%.*s\", algorithm=%.*s, qop=\"%.*s\"\r\n",
		 SLICE_ARG(f[4]), SLICE_ARG(f[6]), SLICE_ARG(f[2]), SLICE_ARG(f[9]));
	assert_true(taken_of(&a, f[4], lines.p, &stale) && !stale);
	for (unsigned n = 1; n <= 3; n++) {
		const struct answer_request r = {
			.user = f[3], .password = f[5], .method = f[10], .uri = f[11], .body = buf_slice(&body)};
		char count[9];

		d = made(&a, &r, "Authorization", &out);
		snprintf(count, sizeof(count), "%08x", n);
		assert_true(slice_eq(d.nc, slice_str(count)));
		parts[2] = d.nc;
		parts[3] = d.cnonce;
		hash_of(alg, parts, expected);
		if (!slice_eq(d.response, slice_str(expected)))
			fail_msg("%.*s", SLICE_ARG(f[0]));
		assert_true(slice_eq(d.username, f[3]) && slice_eq(d.realm, f[4]) && slice_eq(d.nonce, f[6]));
		assert_true(slice_eq(d.uri, f[11]) && slice_eq(d.algorithm, f[2]) && slice_eq(d.qop, f[9]));
		assert_true(a.with_body == with_body && d.cnonce.n >= 16 && d.opaque.p == NULL);
	}
	answer_drop(&a);
	buf_free(&lines);
	buf_free(&out);
	buf_free(&body);
	return true;
}

static void vectors(void **state)
{
	struct buf table = vector_file("digest/digest.tsv");
	struct slice rest = buf_slice(&table), f[VECTOR_FIELDS];
	unsigned tried = 0;

	(void)state;
	assert_true(vector_row(&rest, f) && slice_eq(f[15], S("response")));
	while (vector_row(&rest, f))
		tried += try_vector(f);
	assert_int_equal(tried, 15);
	buf_free(&table);
}

#define C(rest) "WWW-Authenticate: " rest "\r\n"

static void DIG_06_the_topmost_that_is_known(void **state)
{
	static const struct {
		const char *lines, *nonce; /* NULL: none is taken */
		bool sha256, with_body, stale;
	} rows[] = {
		{C("Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\"")
			 C("Digest realm=\"r\", nonce=\"2\", algorithm=MD5, qop=\"auth\""),
		 "1", true, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", algorithm=MD5, qop=\"auth\"")
			 C("Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\""),
		 "1", false, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"")
			 C("Digest realm=\"r\", nonce=\"2\", algorithm=sha-256, qop=auth"),
		 "2", true, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\""), "1", false, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth,auth-int\", stale=TRUE"), "1", false, true, true},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth-int\", stale=\"true\""), "1", false, true, true},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"token, auth\", stale=false"), "1", false, false, false},
		/* DIG-10: of another realm, which is not asked for its password */
		{C("Digest realm=\"\", nonce=\"1\", qop=\"auth\""), NULL, false, false, false},
		{C("Digest realm=\"rr\", nonce=\"1\", qop=\"auth\"") C("Digest realm=\"R\", nonce=\"2\", qop=\"auth\""),
		 "2", false, false, false},
		{C("Basic realm=\"r\"") C("Digest realm=\"r\", nonce=\"2\", qop=\"auth\""), "2", false, false, false},
		{C("Basic realm=\"r\""), NULL, false, false, false},               /* DIG-02 */
		{C("Digest realm=\"r\", nonce=\"1\""), NULL, false, false, false}, /* DIG-04 */
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"\""), NULL, false, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"authx\""), NULL, false, false, false},
		{C("Digest realm=\"r\", nonce=\"\", qop=\"auth\""), NULL, false, false, false},
		{C("Digest realm=\"r\", qop=\"auth\""), NULL, false, false, false},
		{C("Digest nonce=\"1\", qop=\"auth\""), NULL, false, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=MD5-sess"), NULL, false, false, false},
		{C("Digest realm=\"r\", nonce=\"1\", nonce=\"2\", qop=\"auth\""), NULL, false, false, false},
		{C("Digest realm=\"r\", nonce=\"1, qop=\"auth\""), NULL, false, false, false},
		{C("Digest"), NULL, false, false, false},
		{"", NULL, false, false, false},
		{"Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\", qop=\"auth\"\r\n", NULL, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer a = {0};
		bool stale = false;

		if (taken(&a, rows[i].lines, &stale) != (rows[i].nonce != NULL))
			fail_msg("%s", rows[i].lines);
		if (rows[i].nonce == NULL) {
			assert_null(a.nonce);
			continue;
		}
		assert_string_equal(a.nonce, rows[i].nonce);
		assert_int_equal(a.alg, rows[i].sha256 ? HASH_SHA256 : HASH_MD5);
		assert_true(a.with_body == rows[i].with_body && stale == rows[i].stale && !a.proxy);
		answer_drop(&a);
		assert_null(a.nonce);
	}
}

/* DIG-12: a server that pretends to be the credential service gets nothing that is easier to guess from. */
static void DIG_12_not_less_than_is_asked_for(void **state)
{
	static const struct {
		const char *lines, *nonce;
	} rows[] = {
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=MD5"), NULL},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\""), NULL},
		{C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\"")
			 C("Digest realm=\"r\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256"),
		 "2"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sip_msg *m = refusal(TOP("401"), rows[i].lines);
		struct answer a = {0};
		bool stale;

		assert_int_equal(answer_take(&a, m, S("r"), HASH_SHA256, &stale), rows[i].nonce != NULL);
		if (rows[i].nonce != NULL)
			assert_string_equal(a.nonce, rows[i].nonce);
		answer_drop(&a);
		msg_unref(m);
	}
}

static void a_challenge_that_is_not_taken_leaves_the_last_one(void **state)
{
	const struct answer_request r = {.user = S("u"), .password = S("p"), .method = S("M"), .uri = S("sip:h")};
	struct answer a = {0};
	struct buf out = {0};
	bool stale;

	(void)state;
	assert_true(taken(&a, C("Digest realm=\"r\", nonce=\"1\", qop=\"auth\", opaque=\"o\\\"p\""), &stale));
	assert_true(slice_eq(made(&a, &r, "Authorization", &out).opaque, S("o\\\"p")));
	assert_false(taken(&a, C("Basic realm=\"r\""), &stale));
	assert_true(slice_eq(made(&a, &r, "Authorization", &out).nc, S("00000002")));
	/* A new nonce counts from one, and what belonged to the old one is gone. */
	assert_true(taken(&a, C("Digest realm=\"r\", nonce=\"2\", qop=\"auth\""), &stale));
	assert_true(slice_eq(made(&a, &r, "Authorization", &out).nc, S("00000001")));
	assert_null(a.opaque);
	answer_drop(&a);
	buf_free(&out);
}

static void a_proxy_is_answered_as_one(void **state)
{
	struct sip_msg *m =
		refusal(TOP("407"),
			C("Digest realm=\"w\", nonce=\"1\", qop=\"auth\"") "Proxy-Authenticate: Digest realm=\"p\", "
									   "nonce=\"2\", qop=\"auth\"\r\n");
	const struct answer_request r = {.user = S("u"), .password = S("p"), .method = S("M"), .uri = S("sip:h")};
	struct answer a = {0};
	struct buf out = {0};
	bool stale;

	(void)state;
	assert_true(answer_take(&a, m, S("p"), HASH_MD5, &stale));
	assert_true(slice_eq(made(&a, &r, "Proxy-Authorization", &out).realm, S("p")));
	answer_drop(&a);
	buf_free(&out);
	msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(DIG_06_the_topmost_that_is_known),
		cmocka_unit_test(DIG_12_not_less_than_is_asked_for),
		cmocka_unit_test(a_challenge_that_is_not_taken_leaves_the_last_one),
		cmocka_unit_test(a_proxy_is_answered_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
