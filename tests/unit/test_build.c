#include "tests/test.h"

#include "sip/message/build.h"
#include "tests/unit/message.h"
#include "tests/unit/vector.h"

static struct sip_msg *request(const char *via)
{
	struct buf b = {0};
	struct sip_msg *m;

	buf_addf(&b, OPTIONS "%s\r\n" FROM TO CALL_ID CSEQ END, via);
	m = parsed(buf_slice(&b));
	assert_non_null(m);
	buf_free(&b);
	return m;
}

/* via_is: the Via lines of an answer to a request with these, that came from address and port. */
static void via_is(const char *via, const char *address, uint16_t port, const char *expected)
{
	struct build_reply r = {.code = 200, .received = slice_str(address), .rport = port};
	struct sip_msg *m = request(via);
	struct buf out = {0}, start = {0};

	build_reply(&out, m, &r);
	buf_addf(&start, "SIP/2.0 200 OK\r\n%s\r\n" FROM, expected);
	if (!slice_starts(buf_slice(&out), buf_slice(&start)))
		fail_msg("%s\ngives %s", via, out.p);
	buf_free(&out);
	buf_free(&start);
	msg_unref(m);
}

/* RFC 3261 18.2.1: received when the host of sent-by is not the source address. RFC 3581 4: rport asks for both. */
static void top_via(void **state)
{
	(void)state;
	via_is("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", "192.0.2.1", 1024,
	       "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1");
	via_is("Via: SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bK1", "192.0.2.4", 5060,
	       "Via: SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bK1;received=192.0.2.4");
	via_is("Via: SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1", 9988,
	       "Via: SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;received=192.0.2.1;rport=9988");
	via_is("Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1", "192.0.2.1", 5060,
	       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1;rport=5060");
	/* What the peer says about itself is not believed. */
	via_is("Via: SIP/2.0/UDP 192.0.2.1;received=198.51.100.7;rport=7;branch=z9hG4bK1", "192.0.2.9", 9,
	       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.9;rport=9");
	via_is("Via: SIP/2.0/UDP 192.0.2.1;Received=198.51.100.7;branch=z9hG4bK1", "192.0.2.1", 9,
	       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
	/* RFC 5118 4.5: no brackets in received. */
	via_is("Via: SIP/2.0/TCP [2001:DB8::9:1]:5070;branch=z9hG4bK1", "2001:db8::9:1", 1,
	       "Via: SIP/2.0/TCP [2001:DB8::9:1]:5070;branch=z9hG4bK1");
	via_is("Via: SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bK1", "2001:db8::9:255", 1,
	       "Via: SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bK1;received=2001:db8::9:255");
	/* Parameters that nobody here knows stay, and quotes with them. */
	via_is("Via: SIP / 2.0 / UDP 192.0.2.1 : 5060 ;ttl=16; x = \"a;\\\"b\" ;y;branch=z9hG4bK1", "192.0.2.1", 1,
	       "Via: SIP/2.0/UDP 192.0.2.1:5060;ttl=16;x=\"a;\\\"b\";y;branch=z9hG4bK1");
}

/* The elements below are somebody else's: as they came, in order, lists and lines alike. */
static void lower_vias(void **state)
{
	(void)state;
	via_is("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
	       "v:SIP  / 2.0/TCP  b ;received = 1.2.3.4;rport=1\r\n ,SIP/2.0/UDP c",
	       "192.0.2.1", 1,
	       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
	       "Via: SIP  / 2.0/TCP  b ;received = 1.2.3.4;rport=1\r\n ,SIP/2.0/UDP c");
	via_is("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1 , SIP/2.0/TCP b;branch=z9hG4bK2;rport,SIP/2.0/UDP c",
	       "192.0.2.1", 1,
	       "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2;rport,SIP/2.0/UDP c");
}

/* RFC 3261 8.2.6.2 */
static void whole_reply(void **state)
{
	struct build_reply r = {.code = 401,
				.reason = "Go Away",
				.to_tag = S("7x"),
				.headers = S("X: y\r\nContent-Type: a/b\r\n"),
				.body = S("\0|\r\n"),
				.received = S("192.0.2.1"),
				.rport = 1};
	struct sip_msg *m = request("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
	struct buf out = {0};

	(void)state;
	build_reply(&out, m, &r);
	assert_true(
		slice_eq(buf_slice(&out), S("SIP/2.0 401 Go Away\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" FROM
					    "To: Bob <sip:bob@biloxi.com>;tag=7x\r\n" CALL_ID CSEQ
					    "X: y\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\n\0|\r\n")));
	buf_clear(&out);
	r = (struct build_reply){.code = 100, .to_tag = SLICE_NONE, .received = S("192.0.2.1")};
	build_reply(&out, m, &r);
	assert_string_equal(out.p,
			    "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" FROM TO CALL_ID CSEQ
			    "Content-Length: 0\r\n\r\n");
	msg_unref(m);
	/* A tag that is there is kept. */
	m = good_message(S(OPTIONS VIA FROM "To: <sip:bob@biloxi.com>;tag=old\r\n" CALL_ID CSEQ END));
	buf_clear(&out);
	r.to_tag = S("new");
	build_reply(&out, m, &r);
	assert_true(slice_find(buf_slice(&out), S("To: <sip:bob@biloxi.com>;tag=old\r\n"), 0) < out.n);
	assert_true(slice_find(buf_slice(&out), S("new"), 0) == out.n);
	buf_free(&out);
	msg_unref(m);
}

/* An answer to whatever can be answered is a message itself and goes back the same way. */
static void replies_parse(void **state)
{
	static const char *const files[] = {
		"wsinv",     "intmeth", "esc01",   "escnull",    "esc02",      "lwsdisp",    "longreq",
		"dblreq",    "semiuri", "mpart01", "transports", "clerr",      "ncl",        "scalar02",
		"quotbal",   "lwsruri", "multi01", "mcl01",      "badaspec",   "badvers",    "mismatch01",
		"badbranch", "unkscm",  "unksm2",  "cparam01",   "fixed/trws", "fixed/baddn"};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct build_reply r = {.code = 400, .to_tag = S("z"), .received = S("198.51.100.1"), .rport = 9};
		struct buf octets, out = {0};
		struct sip_msg *m, *answer;
		char name[64];

		snprintf(name, sizeof(name), "rfc4475/%s.dat", files[i]);
		octets = vector_file(name);
		m = parsed(buf_slice(&octets));
		assert_non_null(m);
		build_reply(&out, m, &r);
		answer = parsed(buf_slice(&out));
		if (answer == NULL)
			fail_msg("%s is answered with %s", files[i], out.p);
		assert_int_equal(answer->status, 400);
		assert_int_equal(msg_vias(answer), msg_vias(m));
		assert_true(slice_eq(answer->via.branch, m->via.branch) && slice_eq(answer->via.host, m->via.host));
		assert_true(slice_eq(answer->via.received, S("198.51.100.1")));
		assert_true(slice_eq(answer->call_id, m->call_id));
		assert_true(slice_eq(msg_value(answer, HDR_FROM), msg_value(m, HDR_FROM)));
		assert_true(slice_eq(msg_value(answer, HDR_CSEQ), msg_value(m, HDR_CSEQ)));
		if (m->to_tag.n > 0)
			assert_true(slice_eq(answer->to_tag, m->to_tag));
		else if (m->to.spec.n > 0)
			assert_true(slice_eq(answer->to_tag, S("z")) && slice_eq(answer->to.spec, m->to.spec));
		msg_unref(answer);
		msg_unref(m);
		buf_free(&out);
		buf_free(&octets);
	}
}

/* RFC 3261 18.2.1: received says the source only when the host of sent-by is another text; no name is resolved. */
static void hosts(void **state)
{
	static const struct {
		const char *sent_by, *source;
		bool same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true},        {"[2001:DB8::1]", "2001:db8::1", true},
		{"Example.com", "example.COM", true},    {"192.0.2.1", "192.0.2.10", false},
		{"[2001:db8::1]", "2001:db8::2", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf raw = {0}, out = {0};
		struct sip_msg *m;

		buf_addf(&raw, OPTIONS "Via: SIP/2.0/UDP %s;branch=z9hG4bK1\r\n" FROM TO CALL_ID CSEQ END,
			 rows[i].sent_by);
		m = parsed(buf_slice(&raw));
		assert_non_null(m);
		build_top_via(&out, m, slice_str(rows[i].source), 5060);
		assert_int_equal(slice_find(buf_slice(&out), S(";received="), 0) == out.n, rows[i].same);
		msg_unref(m);
		buf_free(&raw);
		buf_free(&out);
	}
}

static void pieces(void **state)
{
	struct buf b = {0};

	(void)state;
	build_header(&b, "Subject", S("a\r\n b"));
	build_header(&b, "Accept", S(""));
	build_end(&b, S("x\0"));
	assert_true(slice_eq(buf_slice(&b), S("Subject: a\r\n b\r\nAccept: \r\nContent-Length: 2\r\n\r\nx\0")));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_via), cmocka_unit_test(lower_vias), cmocka_unit_test(whole_reply),
		cmocka_unit_test(hosts),   cmocka_unit_test(pieces),     cmocka_unit_test(replies_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
