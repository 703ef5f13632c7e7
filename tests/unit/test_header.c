#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "tests/unit/prefix.h"

static void cseq_good(void **state)
{
	static const struct {
		const char *text;
		uint32_t number;
		const char *method;
	} rows[] = {
		{"4711 INVITE", 4711, "INVITE"},
		{"0009\r\n  INVITE", 9, "INVITE"}, /* RFC 4475 3.1.1.1 */
		{"0 ACK", 0, "ACK"},
		{"2147483647 BYE", 2147483647, "BYE"},
		{"00000000000000000000000001 BYE", 1, "BYE"},
		{" 1\tNOTIFY ", 1, "NOTIFY"},
		{"8 RE%47IST%45R", 8, "RE%47IST%45R"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text)), method;
		uint32_t number;

		if (cseq_parse(in, &number, &method) != ERR_OK || number != rows[i].number ||
		    !slice_eq(method, slice_str(rows[i].method)))
			fail_msg("\"%s\"", rows[i].text);
		guard_free(in);
	}
}

static void cseq_bad(void **state)
{
	static const char *const rows[] = {"",
					   "1",
					   "INVITE",
					   "1INVITE",
					   "-1 INVITE",
					   "+1 INVITE",
					   "1 INVITE x",
					   "1 IN,V",
					   "1.0 INVITE",
					   "0x1 INVITE",
					   "2147483648 BYE",
					   "4294967297 BYE",
					   "36893488147419103232 REGISTER",
					   "1 \"A\"",
					   "1, INVITE",
					   "one INVITE"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i])), method = S("kept");
		uint32_t number = 7;

		if (cseq_parse(in, &number, &method) != ERR_SYNTAX)
			fail_msg("\"%s\"", rows[i]);
		assert_true(number == 7 && slice_eq(method, S("kept")));
		guard_free(in);
	}
}

static void delta(void **state)
{
	uint32_t s = 7;

	(void)state;
	assert_int_equal(delta_parse(S("0"), &s), ERR_OK);
	assert_int_equal(s, 0);
	assert_int_equal(delta_parse(S(" 3600 "), &s), ERR_OK);
	assert_int_equal(s, 3600);
	assert_int_equal(delta_parse(S("4294967295"), &s), ERR_OK);
	assert_int_equal(s, UINT32_MAX);
	/* RFC 3261 20.19 and RFC 4475 3.1.2.4: too large counts as the largest. */
	assert_int_equal(delta_parse(S("4294967296"), &s), ERR_OK);
	assert_int_equal(s, UINT32_MAX);
	assert_int_equal(delta_parse(S("1000000000000000000000000000000000000000"), &s), ERR_OK);
	assert_int_equal(s, UINT32_MAX);
	s = 7;
	assert_int_equal(delta_parse(S(""), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("-1"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("+1"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("1 2"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("1s"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("3600;x"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(S("1\0"), &s), ERR_SYNTAX);
	assert_int_equal(delta_parse(SLICE_NONE, &s), ERR_SYNTAX);
	assert_int_equal(s, 7);
}

static void events(void **state)
{
	static const char *const bad[] = {"", ";id=1", "a b", "a;", "a;id=", "a;;id=1", "a/b", "a,b", "a id=1"};
	struct event e;

	(void)state;
	assert_int_equal(event_parse(S("certificate"), &e), ERR_OK);
	assert_true(slice_eq(e.package, S("certificate")) && e.id.p == NULL && e.params.n == 0);
	assert_int_equal(event_parse(S(" presence.winfo ; x=1 ; ID = 4-z "), &e), ERR_OK);
	assert_true(slice_eq(e.package, S("presence.winfo")) && slice_eq(e.id, S("4-z")));
	assert_int_equal(event_parse(S("credential;etag=abc"), &e), ERR_OK);
	assert_true(slice_eq(e.params, S(";etag=abc")) && e.id.p == NULL);
	for (size_t i = 0; i < COUNT(bad); i++) {
		memset(&e, PREFIX_FILL, sizeof(e));
		if (event_parse(slice_str(bad[i]), &e) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&e, sizeof(e)));
	}
}

static void media_types(void **state)
{
	static const char *const bad[] = {"",     "text",   "text/", "/plain",  "text plain", "text/plain x",
					  "a/b;", "a/b;c=", "a/b/c", "a/b,c/d", "a/b;c=\"d",  "a;b/c"};
	struct media m;

	(void)state;
	assert_int_equal(media_parse(S("application/pkix-cert"), &m), ERR_OK);
	assert_true(media_is(&m, S("Application"), S("PKIX-Cert")));
	assert_false(media_is(&m, S("application"), S("pkix-certs")));
	assert_false(media_is(&m, S("text"), S("pkix-cert")));
	assert_int_equal(media_parse(S(" multipart / mixed ;\r\n boundary=\"a b\" "), &m), ERR_OK);
	assert_true(media_is(&m, S("multipart"), S("mixed")) && slice_eq(m.params, S(";\r\n boundary=\"a b\"")));
	for (size_t i = 0; i < COUNT(bad); i++) {
		memset(&m, PREFIX_FILL, sizeof(m));
		if (media_parse(slice_str(bad[i]), &m) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&m, sizeof(m)));
	}
}

/* RFC 3261 20.1 and, for the order of precedence, RFC 2616 14.1; CRT-12, CRD-08. */
static void accept_lists(void **state)
{
	static const struct {
		const char *accept;
		bool covers; /* application/pkix-cert */
	} rows[] = {
		{"application/pkix-cert", true},
		{"Application/PKIX-Cert", true},
		{"text/plain, application/pkix-cert", true},
		{"application/*", true},
		{"*/*", true},
		{"*/*;q=0.1", true},
		{"application/pkix-cert;q=0.001", true},
		{"application/pkix-cert;x=\"q=0\"", true},
		{"", false},
		{"text/plain", false},
		{"text/*", false},
		{"application/pkix", false},
		{"multipart/mixed, text/plain", false},
		{"application/pkix-cert;q=0", false},
		{"application/pkix-cert;q=0.000", false},
		{"*/*;q=0", false},
		/* The most specific range decides, wherever it stands. */
		{"*/*, application/pkix-cert;q=0", false},
		{"application/pkix-cert;q=0, */*", false},
		{"application/*;q=0, application/pkix-cert", true},
		{"application/pkix-cert, application/*;q=0, */*;q=0", true},
		{"*/*, application/*;q=0", false},
		{"application/pkix-cert, bad", false},
		{"application/pkix-cert,", false},
		{"application/pkix-cert, \"x", false},
		{"application/pkix-cert, , a/b", false},
		{"application/pkix-cert;q=\"0", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].accept));

		if (accept_covers(in, S("application"), S("pkix-cert")) != rows[i].covers)
			fail_msg("\"%s\"", rows[i].accept);
		guard_free(in);
	}
}

static void dispositions(void **state)
{
	(void)state;
	assert_true(disposition_is_optional(S("signal;handling=optional")));
	assert_true(disposition_is_optional(S("session ; x=y ; Handling = OPTIONAL")));
	assert_false(disposition_is_optional(S("signal;handling=required")));
	assert_false(disposition_is_optional(S("signal")));
	assert_false(disposition_is_optional(S(";handling=optional")));
	assert_false(disposition_is_optional(S("signal;handling=optional;")));
	assert_false(disposition_is_optional(S("")));
	assert_false(disposition_is_optional(SLICE_NONE));
}

/* RFC 2617 3.5 as RFC 3261 22.4 uses it. */
#define BOB \
	"Digest username=\"bob\",\r\n realm=\"biloxi.com\",\r\n nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\r\n" \
	" uri=\"sip:bob@biloxi.com\",\r\n qop=auth,\r\n nc=00000001,\r\n cnonce=\"0a4f113b\",\r\n" \
	" response=\"6629fae49393a05397450978507c4ef1\",\r\n opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""

static void digest_good(void **state)
{
	struct digest_params d;

	(void)state;
	assert_int_equal(digest_params_parse(S(BOB), &d), ERR_OK);
	assert_true(slice_eq(d.username, S("bob")) && slice_eq(d.realm, S("biloxi.com")) &&
		    slice_eq(d.nonce, S("dcd98b7102dd2f0e8b11d0f600bfb0c093")) &&
		    slice_eq(d.uri, S("sip:bob@biloxi.com")) && slice_eq(d.qop, S("auth")) &&
		    slice_eq(d.nc, S("00000001")) && slice_eq(d.cnonce, S("0a4f113b")) &&
		    slice_eq(d.response, S("6629fae49393a05397450978507c4ef1")) &&
		    slice_eq(d.opaque, S("5ccc069c403ebaf9f0171e9517f40e41")));
	assert_true(d.algorithm.p == NULL && d.stale.p == NULL);
	assert_int_equal(digest_params_parse(
				 S("dIgEsT REALM = \"a,\\\"b\" , algorithm=SHA-256,other=1,other=2, stale=TRUE"), &d),
			 ERR_OK);
	assert_true(slice_eq(d.realm, S("a,\\\"b")) && slice_eq(d.algorithm, S("SHA-256")) &&
		    slice_eq(d.stale, S("TRUE")) && d.nonce.p == NULL);
	/* Present and empty is not absent. */
	assert_int_equal(digest_params_parse(S("Digest realm=\"\""), &d), ERR_OK);
	assert_true(d.realm.p != NULL && d.realm.n == 0);
}

/* G46: whatever some reader may take for the realm of this server, and what nobody can. */
static void digest_of_whom(void **state)
{
	static const char *const ours[] = {
		"Digest realm=\"example.com\"",
		"dIGEST nonce=\"x\", REALM = \"Example.COM\", qop=\"auth\"",
		"Digest realm=example.com",
		"Digest realm=\"ex\\ample.co\\m\"",
		"Digest realm=\" example.com\t\"",
		"Digest realm=\"example.com\r\n \"",
		"Digest\r\n realm=\"example.com\"",
		/* no realm without doubt */
		"Digest nonce=\"x\"",
		"Digest realm=\"other\", realm=\"other\"",
		"Digest realm=\"other\", nonce=\"x\", Digest realm=\"example.com\"",
		"Digest realm=\"other",
		"Digest realm=\"other\" nonce=\"x\"",
		"Digest",
		"",
		"Bearer realm=\"a\", Digest realm=\"example.com\"",
		"Basic realm=\"a\",digest\trealm=example.com",
		"Basic realm=\"example.com\"",
		"basic charset=\"UTF-8\", Realm=example.com",
	};
	static const char *const others[] = {
		"Digest realm=\"example.org\"",
		"Digest realm=\"credential.example.com\"",
		"Digest realm=\"example.com.\"",
		"Digest realm=\"\"",
		"Digest realm=\"example.co\"",
		"Digest realm=\"example.com\\\"\"",
		"Digest realm=\"digest example.com\"",
		"Bearer realm=\"example.com\"",
		"Bearer authz_server=\"https://digest/\"",
		"Basic ZGlnZXN0IHJlYWxtPQ==",
		"Basic realm=\"example.org\"",
		"AKAv1 realm=\"example.com\"",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ours) + COUNT(others); i++) {
		const char *text = i < COUNT(ours) ? ours[i] : others[i - COUNT(ours)];
		struct slice in = guard_copy(slice_str(text));

		if (digest_may_be_of(in, S("example.com")) != (i < COUNT(ours)))
			fail_msg("%s", text);
		guard_free(in);
	}
}

static void digest_bad(void **state)
{
	static const struct {
		const char *text;
		enum err e;
	} rows[] = {
		{"", ERR_SYNTAX},
		{"Digest", ERR_SYNTAX},
		{"Digest,realm=\"x\"", ERR_SYNTAX},
		{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ERR_UNSUPPORTED},
		{"NoOneKnowsThisScheme opaque-data=here", ERR_UNSUPPORTED}, /* RFC 4475 3.3.7 */
		{"Digests realm=\"x\"", ERR_UNSUPPORTED},
		{"Digest realm", ERR_SYNTAX},
		{"Digest realm=", ERR_SYNTAX},
		{"Digest =\"x\"", ERR_SYNTAX},
		{"Digest realm=\"x", ERR_SYNTAX},
		{"Digest realm=\"x\\\"", ERR_SYNTAX},
		{"Digest realm=\"x\"y", ERR_SYNTAX},
		{"Digest realm=a b", ERR_SYNTAX},
		{"Digest realm=\"x\",", ERR_SYNTAX},
		{"Digest ,realm=\"x\"", ERR_SYNTAX},
		{"Digest realm=\"x\",,nonce=\"y\"", ERR_SYNTAX},
		{"Digest realm=\"x\" nonce=\"y\"", ERR_SYNTAX},
		{"Digest realm=\"x\";nonce=\"y\"", ERR_SYNTAX},
		{"Digest realm=\"x\", Realm=\"x\"", ERR_SYNTAX},
		{"Digest username=\"a\", username=\"b\"", ERR_SYNTAX},
		{"Digest realm=\"\", realm=\"x\"", ERR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		struct digest_params d;

		memset(&d, PREFIX_FILL, sizeof(d));
		if (digest_params_parse(in, &d) != rows[i].e)
			fail_msg("\"%s\"", rows[i].text);
		assert_true(untouched(&d, sizeof(d)));
		guard_free(in);
	}
}

static void check_prefix(struct slice in)
{
	struct slice method = SLICE_NONE;
	struct digest_params d;
	struct event ev;
	struct media m;
	uint32_t n;
	enum err e = cseq_parse(in, &n, &method);

	assert_true(e == ERR_SYNTAX || (e == ERR_OK && inside(in, method)));
	assert_true(delta_parse(in, &n) == ERR_SYNTAX || slice_trim(in).n > 0);
	e = event_parse(in, &ev);
	assert_true(e == ERR_SYNTAX ||
		    (e == ERR_OK && inside(in, ev.package) && inside(in, ev.id) && inside(in, ev.params)));
	e = media_parse(in, &m);
	assert_true(e == ERR_SYNTAX ||
		    (e == ERR_OK && inside(in, m.type) && inside(in, m.subtype) && inside(in, m.params)));
	e = digest_params_parse(in, &d);
	assert_true(e == ERR_SYNTAX || e == ERR_UNSUPPORTED ||
		    (e == ERR_OK && inside(in, d.realm) && inside(in, d.nonce) && inside(in, d.opaque) &&
		     inside(in, d.algorithm) && inside(in, d.qop) && inside(in, d.uri) && inside(in, d.username) &&
		     inside(in, d.response) && inside(in, d.cnonce) && inside(in, d.nc) && inside(in, d.stale)));
	(void)accept_covers(in, S("application"), S("pkix-cert"));
	(void)disposition_is_optional(in);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("4711 INVITE"), check_prefix);
	each_prefix(S("0009\r\n  INVITE"), check_prefix);
	each_prefix(S("4294967296"), check_prefix);
	each_prefix(S("certificate ; id = \"x\\\"\";etag=abc"), check_prefix);
	each_prefix(S("multipart/mixed;boundary=\"a b\";x=y"), check_prefix);
	each_prefix(S("text/*;q=0.5, application/pkix-cert;q=0.000, */*"), check_prefix);
	each_prefix(S("signal;handling=optional"), check_prefix);
	each_prefix(S(BOB), check_prefix);
}

/* RFC 6665 8.4. */
static void substates(void **state)
{
	static const struct {
		const char *text, *state, *reason;
		int64_t expires, retry_after; /* -1: absent */
	} rows[] = {
		{"active", "active", NULL, -1, -1},
		{"active;expires=3600", "active", NULL, 3600, -1},
		{" pending ; Expires = 0 ", "pending", NULL, 0, -1},
		{"terminated;reason=deactivated", "terminated", "deactivated", -1, -1},
		{"terminated;reason=probation;retry-after=60", "terminated", "probation", -1, 60},
		{"terminated;retry-after=4294967295;reason=giveup", "terminated", "giveup", -1, UINT32_MAX},
		{"terminated;retry-after=99999999999", "terminated", NULL, -1, UINT32_MAX},
		{"TERMINATED;REASON=NoResource;RETRY-AFTER=1;EXPIRES=2", "TERMINATED", "NoResource", 2, 1},
		{"waiting;x=y;z", "waiting", NULL, -1, -1},
		{"active;reason", "active", NULL, -1, -1},
		{"active\r\n ;expires=1", "active", NULL, 1, -1},
	};
	static const char *const refused[] = {
		"",
		" ",
		";expires=1",
		"active,pending",
		"active expires=1",
		"active;",
		"active;expires",
		"active;expires=",
		"active;expires=x",
		"active;expires=-1",
		"active;expires=1.5",
		"active;expires=\"x\"",
		"active;retry-after=x",
		"active;=1",
		"\"active\"",
		"active;reason=\"open",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		struct substate st;

		if (substate_parse(in, &st) != ERR_OK || !slice_eq(st.state, slice_str(rows[i].state)) ||
		    !slice_eq(st.reason, slice_str(rows[i].reason)) || st.has_expires != (rows[i].expires >= 0) ||
		    st.has_retry_after != (rows[i].retry_after >= 0) ||
		    (st.has_expires && st.expires != rows[i].expires) ||
		    (st.has_retry_after && st.retry_after != rows[i].retry_after))
			fail_msg("\"%s\"", rows[i].text);
		guard_free(in);
	}
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct slice in = guard_copy(slice_str(refused[i]));
		struct substate st;

		memset(&st, PREFIX_FILL, sizeof(st));
		if (substate_parse(in, &st) != ERR_SYNTAX)
			fail_msg("\"%s\"", refused[i]);
		assert_true(untouched(&st, sizeof(st)));
		guard_free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cseq_good),    cmocka_unit_test(cseq_bad),    cmocka_unit_test(delta),
		cmocka_unit_test(events),       cmocka_unit_test(media_types), cmocka_unit_test(accept_lists),
		cmocka_unit_test(dispositions), cmocka_unit_test(digest_good), cmocka_unit_test(digest_of_whom),
		cmocka_unit_test(digest_bad),   cmocka_unit_test(prefixes),    cmocka_unit_test(substates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
