#include "tests/test.h"

#include "sip/proxy/forward.h"
#include "sip/proxy/record_route.h"

/* What a proxy writes has the size that it has measured before (RFC 3261 18.1.1 is decided by that). */

static struct sip_msg *message(const char *headers)
{
	struct buf out = {0};
	struct sip_msg *m;
	const char *why;

	buf_addf(&out,
		 "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1\r\n%s"
		 "From: <sip:a@example.org>;tag=f\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
		 "Content-Length: 2\r\n\r\nhi",
		 headers);
	assert_int_equal(msg_parse(buf_slice(&out), &m, &why), ERR_OK);
	buf_free(&out);
	return m;
}

/* What forward.h needs to know which realms are ours. */
static const struct access *the_access(void)
{
	static char domain[] = "example.com";
	static struct settings settings;
	static const struct access access = {.settings = &settings};

	settings.config.domain = settings.config.credential_realm = domain;
	return &access;
}

static void the_measured_size_is_that_of_what_is_written(void **state)
{
	static const char *const headers[] = {
		"",
		"Max-Forwards: 7\r\n",
		"Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:r;lr>\r\nMax-Breadth: 3\r\nMax-Forwards: 70\r\n",
		"Proxy-Authorization: Digest realm=\"example.com\"\r\nProxy-Authorization: Digest realm=\"other\"\r\n",
		"P-Asserted-Identity: <sip:x@y>\r\nIdentity: \"abc\"\r\nIdentity-Info: <http://x>;alg=rsa-sha1\r\n",
	};
	struct forward how = {.received = S("192.0.2.9"),
			      .rport = 5070,
			      .proto = "TCP",
			      .sent_by = "192.0.2.1:5060",
			      .branch = S("z9hG4bKabc"),
			      .new_routes = true,
			      .max_forwards = 69,
			      .passage.access = the_access()};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct sip_msg *m = message(headers[i]);

		for (unsigned k = 0; k < 16; k++) {
			struct buf out = {0};

			how.uri = k & 1 ? S("sip:bob@192.0.2.10:5070") : SLICE_NONE;
			how.routes = k & 2 ? S("<sip:q;lr>") : SLICE_NONE;
			how.record_route = k & 4 ? S("Record-Route: <sip:t@192.0.2.1;lr>\r\n") : SLICE_NONE;
			how.passage.names = (k & 8) == 0;
			how.asserted = k & 8 ? S("P-Asserted-Identity: <sip:a@example.org>\r\n") : SLICE_NONE;
			how.max_breadth = k;
			assert_int_equal(forward_request(m, &how, &out), ERR_OK);
			assert_int_equal(forward_size(m, &how), out.n);
			buf_free(&out);
		}
		msg_unref(m);
	}
}

/* How many lines in out are our Content-Length, and how many a reader could take for another one. */
static void count_lengths(struct slice out, unsigned *ours, unsigned *other)
{
	const char *at = out.p, *end = out.p + slice_find(out, S("\r\n\r\n"), 0) + 2;

	*ours = *other = 0;
	while (at < end) {
		const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
		struct slice line = slice_of(at, (size_t)(next - at));

		if (slice_eq(line, S("Content-Length: 2\r\n")))
			++*ours;
		else if (slice_istarts(line, S("Content-Length")) || slice_istarts(line, S("l:")) ||
			 slice_istarts(line, S("l ")) || slice_istarts(line, S(" 2")))
			++*other;
		at = next;
	}
}

/*
 * RFC 3261 20.14: however Content-Length came, or not at all, it leaves in one form. A datagram without one went on
 * over TLS, and its body was the next message for the phone.
 */
static void the_length_is_always_ours(void **state)
{
	static const char *const forms[] = {"",
					    "Content-Length: 2\r\n",
					    "l: 2\r\n",
					    "L:2\r\n",
					    "Content-Length : 2\r\n",
					    "Content-Length:\r\n 2\r\n",
					    "Content-Length: 2\r\n \r\n",
					    "content-length:  2  \r\n",
					    "l\t:\t2\r\n",
					    "Content-Length: 0002\r\n"};
	static const char *const others[] = {"", "Identity: \"abc\"\r\n", "X: l: 2\r\n"};
	struct forward how = {
		.proto = "TLS", .sent_by = "192.0.2.1:5061", .branch = S("z9hG4bKabc"), .passage.access = the_access()};

	(void)state;
	for (size_t i = 0; i < COUNT(forms) * COUNT(others) * 2; i++) {
		bool request = i % 2 != 0;
		struct buf in = {0}, out = {0};
		unsigned ours, other;
		struct sip_msg *m;
		const char *why;

		buf_addf(&in, "%s\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1\r\n%s",
			 request ? "MESSAGE sip:bob@example.com SIP/2.0" : "SIP/2.0 200 OK",
			 request ? "" : "Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK2\r\n");
		buf_addf(&in, "%sFrom: <sip:a@example.org>;tag=f\r\nTo: <sip:bob@example.com>\r\n",
			 forms[i / 2 % COUNT(forms)]);
		buf_addf(&in, "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n%s\r\nhi", others[i / 2 / COUNT(forms)]);
		assert_int_equal(msg_parse(buf_slice(&in), &m, &why), ERR_OK);
		assert_null(m->defect);
		assert_int_equal(request ? forward_request(m, &how, &out) : forward_response(m, SLICE_NONE, &out),
				 ERR_OK);
		count_lengths(buf_slice(&out), &ours, &other);
		if (ours != 1 || other != 0 || !slice_ends(buf_slice(&out), S("\r\n\r\nhi")))
			fail_msg("%s became %s", in.p, out.p);
		if (request)
			assert_int_equal(forward_size(m, &how), out.n);
		msg_unref(m);
		buf_free(&in);
		buf_free(&out);
	}
}

static void a_token_has_its_size(void **state)
{
	static const char *const peers[] = {"192.0.2.4:5060", "[2001:db8::4]:5060"};
	struct record_route_keys keys;
	struct sip_msg *m = message("");

	(void)state;
	record_route_keys(S("master"), &keys);
	for (unsigned k = 0; k < 2 * 3 * 8; k++) {
		struct dialog_ends ends = {.caller = {.local = (k & 1) != 0, .by_address = (k & 2) != 0},
					   .callee = {.local = (k & 4) != 0}};
		uint8_t id[RECORD_ROUTE_ID];
		struct buf token = {0};

		ends.caller.flow.proto = ends.callee.flow.proto = (enum proto)(k / 16);
		ends.caller.flow.id = ends.callee.flow.id = k / 16 * 77;
		assert_true(peer_parse(slice_str(peers[k / 8 % 2]), &ends.caller.flow.remote));
		ends.caller.flow.local = ends.callee.flow.remote = ends.callee.flow.local = ends.caller.flow.remote;
		record_route_token(&keys, &ends, m, &(struct dialog_now){.wall_s = 1700000000 + k}, &token, id);
		assert_int_equal(record_route_size(&ends), token.n);
		assert_in_range(token.n, 1, RECORD_ROUTE_TOKEN);
		buf_free(&token);
	}
	record_route_keys_drop(&keys);
	msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_measured_size_is_that_of_what_is_written),
		cmocka_unit_test(the_length_is_always_ours),
		cmocka_unit_test(a_token_has_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
