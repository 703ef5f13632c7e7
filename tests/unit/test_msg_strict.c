#include "tests/test.h"

#include "sip/message/limits.h"
#include "tests/unit/message.h"

/* What two parsers could read in two ways is refused, and so is what is over a cap of limits.h. */

static unsigned with_fields(const char *fields, const char *body)
{
	struct buf b = {0};
	unsigned got;

	buf_addf(&b, OPTIONS NEEDED "%s\r\n%s", fields, body);
	got = outcome(buf_slice(&b));
	buf_free(&b);
	return got;
}

static void duplicates(void **state)
{
	static const char *const single[] = {"From: <sip:a@h>;tag=1\r\n", "f: <sip:a@h>;tag=1\r\n", "To: <sip:b@h>\r\n",
					     "t: <sip:b@h>\r\n",          "Call-ID: x\r\n",         "i: x\r\n",
					     "CSeq: 1 OPTIONS\r\n"};
	static const char *const twice[][2] = {
		{"Content-Length: 0\r\n", "l: 0\r\n"},
		{"Content-Type: a/b\r\n", "c: a/b\r\n"},
		{"Content-Disposition: signal\r\n", "content-disposition: signal\r\n"},
		{"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n", "DATE: Sat, 13 Nov 2010 23:29:00 GMT\r\n"},
		{"Event: certificate\r\n", "o: credential\r\n"},
		{"Expires: 1\r\n", "Expires : 1\r\n"},
		{"Identity-Info: <http://h/>;alg=rsa-sha1\r\n", "n: <http://i/>;alg=rsa-sha1\r\n"},
		{"Max-Forwards: 70\r\n", "Max-Forwards: 70\r\n"},
		{"SIP-If-Match: a\r\n", "SIP-If-Match: b\r\n"},
		{"SIP-ETag: a\r\n", "SIP-ETag: a\r\n"},
		{"Subscription-State: active\r\n", "Subscription-State: active\r\n"},
		{"Min-Expires: 1\r\n", "Min-Expires: 1\r\n"},
		{"Retry-After: 1\r\n", "Retry-After: 1\r\n"},
	};
	static const char *const list[] = {VIA,
					   "Route: <sip:h;lr>\r\n",
					   "Accept: a/b\r\n",
					   "Supported: a\r\n",
					   "Contact: <sip:a@h>\r\n",
					   "Authorization: Digest realm=\"x\"\r\n",
					   "Identity: \"x\"\r\n",
					   "X-Other: y\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(single); i++)
		if (with_fields(single[i], "") != 400)
			fail_msg("a second %s", single[i]);
	for (size_t i = 0; i < COUNT(twice); i++) {
		struct buf b = {0};

		buf_adds(&b, twice[i][0]);
		assert_int_equal(with_fields(b.p, ""), 0);
		buf_addf(&b, "X-Between: y\r\n%s", twice[i][1]);
		if (with_fields(b.p, "") != 400)
			fail_msg("%s", b.p);
		buf_free(&b);
	}
	for (size_t i = 0; i < COUNT(list); i++) {
		struct buf b = {0};

		buf_addf(&b, "%s%s", list[i], list[i]);
		if (with_fields(b.p, "") != 0)
			fail_msg("%s may be there twice", list[i]);
		buf_free(&b);
	}
}

/* RFC 3261 18.3 and 20.14, RFC 4475 3.1.2.2, 3.1.2.3, 3.3.9. The body has five octets. */
static void content_lengths(void **state)
{
	static const struct {
		const char *fields;
		unsigned outcome;
	} rows[] = {
		{"", 0},
		{"Content-Length: 5\r\n", 0},
		{"l:5\r\n", 0},
		{"Content-Length:\r\n 5\r\n", 0},
		{"Content-Length: 005\r\n", 0},
		{"Content-Length: 0\r\n", 0},
		{"Content-Length: 4\r\n", 0},
		{"Content-Length: 6\r\n", 400},
		{"Content-Length: 9999\r\n", 400},
		{"Content-Length: 2147483648\r\n", 400},
		{"Content-Length: 4294967296\r\n", 400},
		{"Content-Length: 4294967301\r\n", 400}, /* 2^32 + 5 */
		{"Content-Length: 18446744073709551615\r\n", 400},
		{"Content-Length: 18446744073709551616\r\n", 400},
		{"Content-Length: 18446744073709551621\r\n", 400}, /* 2^64 + 5 */
		{"Content-Length: -5\r\n", 400},
		{"Content-Length: -999\r\n", 400},
		{"Content-Length: +5\r\n", 400},
		{"Content-Length: five\r\n", 400},
		{"Content-Length: 5x\r\n", 400},
		{"Content-Length: 0x5\r\n", 400},
		{"Content-Length: 5 5\r\n", 400},
		{"Content-Length: 5, 5\r\n", 400},
		{"Content-Length: 5;x\r\n", 400},
		{"Content-Length: \"5\"\r\n", 400},
		{"Content-Length:\r\n", 400},
		{"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
		{"Content-Length: 5\r\nl: 4\r\n", 400},
		{"Content-Length: 5\r\n 5\r\n", 400},
		{"Content-Lenght: 9\r\n", 0},
	};
	struct sip_msg *m;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (with_fields(rows[i].fields, "12345") != rows[i].outcome)
			fail_msg("%s", rows[i].fields);
	/* The body: as much as is said, without one all of the datagram. */
	m = good_message(S(OPTIONS NEEDED "Content-Length: 4\r\n\r\n12345"));
	assert_true(slice_eq(m->body, S("1234")) && slice_ends(m->raw, S("1234")));
	msg_unref(m);
	m = good_message(S(OPTIONS NEEDED "\r\n12345"));
	assert_true(slice_eq(m->body, S("12345")));
	msg_unref(m);
	m = good_message(S(OPTIONS NEEDED "Content-Length: 5\r\n\r\n\0\r\n\xff|"));
	assert_true(slice_eq(m->body, S("\0\r\n\xff|")));
	msg_unref(m);
}

/* --- the caps of limits.h, one below, at, and one above --- */

static void fill(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_addc(b, 'x');
}

static void head_octets(void **state)
{
	(void)state;
	for (size_t n = SIP_HEADER_BLOCK_MAX - 1; n <= SIP_HEADER_BLOCK_MAX + 1; n++) {
		struct buf b = {0};

		buf_adds(&b, OPTIONS NEEDED "A: ");
		fill(&b, SIP_HEADER_MAX);
		buf_adds(&b, "\r\nB: ");
		fill(&b, n - b.n - 4);
		buf_adds(&b, "\r\n\r\n");
		assert_int_equal(b.n, n);
		/* A body does not count. */
		fill(&b, 1000);
		assert_int_equal(outcome(buf_slice(&b)), n <= SIP_HEADER_BLOCK_MAX ? 0 : 400);
		buf_free(&b);
	}
}

static void field_count(void **state)
{
	(void)state;
	for (unsigned n = SIP_HEADERS_MAX - 1; n <= SIP_HEADERS_MAX + 1; n++) {
		struct buf b = {0};
		struct sip_msg *m;

		buf_adds(&b, OPTIONS NEEDED);
		for (unsigned i = 5; i < n; i++)
			buf_addf(&b, "X-%u: y\r\n", i);
		buf_adds(&b, "\r\n");
		m = parsed(buf_slice(&b));
		assert_non_null(m);
		assert_int_equal(m->defect_code, n <= SIP_HEADERS_MAX ? 0 : 400);
		assert_int_equal(m->header_count, n <= SIP_HEADERS_MAX ? n : SIP_HEADERS_MAX);
		all_inside(m);
		msg_unref(m);
		buf_free(&b);
	}
}

static void field_octets(void **state)
{
	(void)state;
	for (size_t n = SIP_HEADER_MAX - 1; n <= SIP_HEADER_MAX + 1; n++) {
		struct buf b = {0};

		buf_adds(&b, OPTIONS NEEDED "A:  ");
		fill(&b, n);
		buf_adds(&b, "  \r\n\r\n");
		assert_int_equal(outcome(buf_slice(&b)), n <= SIP_HEADER_MAX ? 0 : 400);
		buf_free(&b);
	}
}

static void uri_octets(void **state)
{
	(void)state;
	for (size_t n = SIP_URI_MAX - 1; n <= SIP_URI_MAX + 1; n++) {
		struct buf b = {0};

		buf_adds(&b, "OPTIONS sip:a@h;p=");
		fill(&b, n - 10);
		buf_adds(&b, " SIP/2.0\r\n" NEEDED "\r\n");
		assert_int_equal(outcome(buf_slice(&b)), n <= SIP_URI_MAX ? 0 : 414);
		buf_clear(&b);
		buf_adds(&b, OPTIONS VIA FROM CALL_ID CSEQ "To: <sip:a@h;p=");
		fill(&b, n - 10);
		buf_adds(&b, ">\r\n\r\n");
		assert_int_equal(outcome(buf_slice(&b)), n <= SIP_URI_MAX ? 0 : 400);
		buf_free(&b);
	}
}

static void hops(void **state)
{
	(void)state;
	for (unsigned n = SIP_VIA_MAX - 1; n <= SIP_VIA_MAX + 1; n++) {
		for (unsigned in_lines = 0; in_lines < 2; in_lines++) {
			struct buf b = {0};
			struct sip_msg *m;

			buf_adds(&b, OPTIONS NEEDED);
			buf_adds(&b, in_lines ? "" : "Via: SIP/2.0/UDP h");
			for (unsigned i = in_lines ? 1 : 2; i < n; i++)
				buf_adds(&b, in_lines ? "v: SIP/2.0/UDP h\r\n" : ", SIP/2.0/UDP h");
			buf_adds(&b, in_lines ? "\r\n" : "\r\n\r\n");
			m = parsed(buf_slice(&b));
			assert_non_null(m);
			assert_int_equal(msg_vias(m), n);
			assert_int_equal(m->defect_code, n <= SIP_VIA_MAX ? 0 : 400);
			msg_unref(m);
			buf_free(&b);
		}
	}
}

static void remembered_octets(void **state)
{
	static const char *const fields[][2] = {
		{"Via: SIP/2.0/UDP h;branch=", VIA},
		{"From: <sip:a@h>;tag=", FROM},
		{"To: <sip:a@h>;tag=", TO},
		{"Call-ID: ", CALL_ID},
	};

	(void)state;
	for (size_t n = SIP_CALLID_MAX - 1; n <= SIP_CALLID_MAX + 1; n++) {
		for (size_t long_one = 0; long_one < COUNT(fields); long_one++) {
			struct buf b = {0};

			buf_adds(&b, OPTIONS CSEQ);
			for (size_t i = 0; i < COUNT(fields); i++) {
				if (i == long_one) {
					buf_adds(&b, fields[i][0]);
					fill(&b, n);
					buf_adds(&b, "\r\n");
				} else {
					buf_adds(&b, fields[i][1]);
				}
			}
			buf_adds(&b, "\r\n");
			assert_int_equal(outcome(buf_slice(&b)), n <= SIP_CALLID_MAX ? 0 : 400);
			buf_free(&b);
		}
	}
}

static void parameters(void **state)
{
	(void)state;
	for (unsigned n = SIP_PARAMS_MAX - 1; n <= SIP_PARAMS_MAX + 1; n++) {
		struct buf from = {0}, b = {0};

		buf_adds(&from, "From: <sip:a@h>");
		for (unsigned i = 0; i < n; i++)
			buf_addf(&from, ";p%u", i);
		buf_addf(&b, OPTIONS VIA "%s\r\n" TO CALL_ID CSEQ "\r\n", from.p);
		assert_int_equal(outcome(buf_slice(&b)), n <= SIP_PARAMS_MAX ? 0 : 400);
		buf_free(&from);
		buf_free(&b);
	}
}

/* The first defect that is found is told; the caller's own goes before it. */
static void one_defect(void **state)
{
	struct sip_msg *m = parsed(S("OPTIONS sip:bob@biloxi.com SIP/7.0\r\n" NEEDED "X\r\n" END));

	(void)state;
	assert_int_equal(m->defect_code, 505);
	assert_string_equal(m->defect, "Version Not Supported");
	msg_refuse(m, 413, "Request Entity Too Large");
	assert_int_equal(m->defect_code, 413);
	msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates),   cmocka_unit_test(content_lengths),
		cmocka_unit_test(head_octets),  cmocka_unit_test(field_count),
		cmocka_unit_test(field_octets), cmocka_unit_test(uri_octets),
		cmocka_unit_test(hops),         cmocka_unit_test(parameters),
		cmocka_unit_test(one_defect),   cmocka_unit_test(remembered_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
