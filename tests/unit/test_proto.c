#include "tests/test.h"

#include "sip/message/proto.h"
#include "tests/unit/prefix.h"

static void methods(void **state)
{
	(void)state;
	for (int m = METHOD_ACK; m <= METHOD_UPDATE; m++) {
		struct slice name = slice_str(method_name((enum method)m));

		assert_int_equal(method_of(name), m);
		assert_int_equal(method_of(slice_sub(name, 0, name.n - 1)), METHOD_UNKNOWN);
	}
	assert_int_equal(method_of(S("PUBLISH")), METHOD_PUBLISH);
	/* RFC 3261 7.1: methods are case-sensitive. */
	assert_int_equal(method_of(S("publish")), METHOD_UNKNOWN);
	assert_int_equal(method_of(S("PUBLISHX")), METHOD_UNKNOWN);
	assert_int_equal(method_of(S("RE%47ISTER")), METHOD_UNKNOWN);
	assert_int_equal(method_of(S("ACK\0")), METHOD_UNKNOWN);
	assert_int_equal(method_of(S("?")), METHOD_UNKNOWN);
	assert_int_equal(method_of(SLICE_NONE), METHOD_UNKNOWN);
	assert_string_equal(method_name(METHOD_UNKNOWN), "?");
}

/* Names as the RFCs write them; every one is found in any case, with nothing cut and nothing added. */
static const struct {
	const char *name, *compact; /* compact: RFC 3261 7.3.3, RFC 4474 9, RFC 6665 8.4; NULL: none */
	enum header id;
	bool single;
} headers[] = {
	{"Accept", NULL, HDR_ACCEPT, false},
	{"Alert-Info", NULL, HDR_ALERT_INFO, false},
	{"Allow", NULL, HDR_ALLOW, false},
	{"Allow-Events", "u", HDR_ALLOW_EVENTS, false},
	{"Answer-Mode", NULL, HDR_ANSWER_MODE, false},
	{"Authentication-Info", NULL, HDR_AUTHENTICATION_INFO, false},
	{"Authorization", NULL, HDR_AUTHORIZATION, false},
	{"Call-ID", "i", HDR_CALL_ID, true},
	{"Call-Info", NULL, HDR_CALL_INFO, false},
	{"Contact", "m", HDR_CONTACT, false},
	{"Content-Disposition", NULL, HDR_CONTENT_DISPOSITION, true},
	{"Content-Encoding", "e", HDR_CONTENT_ENCODING, false},
	{"Content-Length", "l", HDR_CONTENT_LENGTH, true},
	{"Content-Transfer-Encoding", NULL, HDR_CONTENT_TRANSFER_ENCODING, false},
	{"Content-Type", "c", HDR_CONTENT_TYPE, true},
	{"CSeq", NULL, HDR_CSEQ, true},
	{"Date", NULL, HDR_DATE, true},
	{"Event", "o", HDR_EVENT, true},
	{"Expires", NULL, HDR_EXPIRES, true},
	{"From", "f", HDR_FROM, true},
	{"Identity", "y", HDR_IDENTITY, false},
	{"Identity-Info", "n", HDR_IDENTITY_INFO, true},
	{"Max-Breadth", NULL, HDR_MAX_BREADTH, true},
	{"Max-Forwards", NULL, HDR_MAX_FORWARDS, true},
	{"Min-Expires", NULL, HDR_MIN_EXPIRES, true},
	{"P-Asserted-Identity", NULL, HDR_P_ASSERTED_IDENTITY, false},
	{"P-Preferred-Identity", NULL, HDR_P_PREFERRED_IDENTITY, false},
	{"Path", NULL, HDR_PATH, false},
	{"Priv-Answer-Mode", NULL, HDR_PRIV_ANSWER_MODE, false},
	{"Privacy", NULL, HDR_PRIVACY, false},
	{"Proxy-Authenticate", NULL, HDR_PROXY_AUTHENTICATE, false},
	{"Proxy-Authentication-Info", NULL, HDR_PROXY_AUTHENTICATION_INFO, false},
	{"Proxy-Authorization", NULL, HDR_PROXY_AUTHORIZATION, false},
	{"Proxy-Require", NULL, HDR_PROXY_REQUIRE, false},
	{"Reason", NULL, HDR_REASON, false},
	{"Record-Route", NULL, HDR_RECORD_ROUTE, false},
	{"Remote-Party-ID", NULL, HDR_REMOTE_PARTY_ID, false},
	{"Require", NULL, HDR_REQUIRE, false},
	{"Retry-After", NULL, HDR_RETRY_AFTER, true},
	{"Route", NULL, HDR_ROUTE, false},
	{"SIP-ETag", NULL, HDR_SIP_ETAG, true},
	{"SIP-If-Match", NULL, HDR_SIP_IF_MATCH, true},
	{"Subscription-State", NULL, HDR_SUBSCRIPTION_STATE, true},
	{"Supported", "k", HDR_SUPPORTED, false},
	{"To", "t", HDR_TO, true},
	{"Unsupported", NULL, HDR_UNSUPPORTED, false},
	{"Via", "v", HDR_VIA, false},
	{"Warning", NULL, HDR_WARNING, false},
	{"WWW-Authenticate", NULL, HDR_WWW_AUTHENTICATE, false},
};

static void header_names(void **state)
{
	(void)state;
	assert_int_equal(COUNT(headers), HDR_COUNT - 1);
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct slice name = slice_str(headers[i].name);
		char other[40];

		for (size_t k = 0; k < name.n; k++)
			other[k] =
				(char)(name.p[k] >= 'a' && name.p[k] <= 'z' ? name.p[k] - 32 : ascii_lower(name.p[k]));
		if (header_of(name) != headers[i].id || header_of(slice_of(other, name.n)) != headers[i].id)
			fail_msg("%s", headers[i].name);
		if (name.n > 2) /* "T" is To */
			assert_int_not_equal(header_of(slice_sub(name, 0, name.n - 1)), headers[i].id);
		other[name.n] = 's';
		assert_int_equal(header_of(slice_of(other, name.n + 1)), HDR_OTHER);
		if (headers[i].compact != NULL) {
			assert_int_equal(header_of(slice_str(headers[i].compact)), headers[i].id);
			other[0] = (char)(headers[i].compact[0] - 32);
			assert_int_equal(header_of(slice_of(other, 1)), headers[i].id);
		}
		if (header_is_single(headers[i].id) != headers[i].single)
			fail_msg("%s: may it be there twice?", headers[i].name);
	}
}

/* Every one-letter name that is no compact form of a known header is another header's, and nobody's here. */
static void letters(void **state)
{
	(void)state;
	for (char c = 'a'; c <= 'z'; c++) {
		enum header id = HDR_OTHER;

		for (size_t i = 0; i < COUNT(headers); i++)
			if (headers[i].compact != NULL && headers[i].compact[0] == c)
				id = headers[i].id;
		assert_int_equal(header_of(slice_of(&c, 1)), id);
	}
	assert_int_equal(header_of(S("")), HDR_OTHER);
	assert_int_equal(header_of(SLICE_NONE), HDR_OTHER);
	assert_int_equal(header_of(S("To\0")), HDR_OTHER);
	assert_int_equal(header_of(S("C%6Fntact")), HDR_OTHER); /* RFC 4475 3.1.1.5 */
	assert_false(header_is_single(HDR_OTHER));
}

static void phrases(void **state)
{
	(void)state;
	assert_string_equal(status_phrase(200), "OK");
	assert_string_equal(status_phrase(412), "Conditional Request Failed"); /* RFC 3903 11.2.1 */
	assert_string_equal(status_phrase(438), "Invalid Identity Header");    /* RFC 4474 14.6 */
	assert_string_equal(status_phrase(489), "Bad Event");
	for (unsigned code = 0; code <= 1000; code++) {
		const char *phrase = status_phrase(code);

		assert_non_null(phrase);
		assert_true(phrase[0] != '\0' && strpbrk(phrase, "\r\n") == NULL);
	}
	assert_string_equal(status_phrase(299), status_phrase(200));
	assert_string_equal(status_phrase(700), status_phrase(99));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods),
		cmocka_unit_test(header_names),
		cmocka_unit_test(letters),
		cmocka_unit_test(phrases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
