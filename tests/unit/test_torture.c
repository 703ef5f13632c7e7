#include "tests/test.h"

#include "sip/message/digest_string.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/message/mime.h"
#include "tests/unit/message.h"
#include "tests/unit/vector.h"

#define NO_ANSWER 1 /* as outcome() says it */

/* Every message of RFC 4475 and RFC 5118 and what the message layer alone has to say: 0 = goes on to the services. */
static const struct {
	const char *file;
	unsigned outcome;
} rows[] = {
	{"rfc4475/wsinv", 0},
	{"rfc4475/intmeth", 0},
	{"rfc4475/esc01", 0},
	{"rfc4475/escnull", 0},
	{"rfc4475/esc02", 0},
	{"rfc4475/lwsdisp", 0},
	{"rfc4475/longreq", 0},
	{"rfc4475/dblreq", 0},
	{"rfc4475/semiuri", 0},
	{"rfc4475/transports", 0},
	{"rfc4475/mpart01", 0},
	{"rfc4475/unreason", 0},
	{"rfc4475/noreason", 0},
	{"rfc4475/badinv01", NO_ANSWER}, /* its Via cannot be read */
	{"rfc4475/clerr", 400},
	{"rfc4475/ncl", 400},
	{"rfc4475/scalar02", 400},
	{"rfc4475/scalarlg", 400}, /* a response with a defect is dropped */
	{"rfc4475/quotbal", 400},
	{"rfc4475/ltgtruri", 400},
	{"rfc4475/lwsruri", 400},
	{"rfc4475/lwsstart", 400},
	{"rfc4475/trws", 400},
	{"rfc4475/fixed/trws", 400},
	{"rfc4475/escruri", 400}, /* 3.1.2.11: not to be passed on */
	{"rfc4475/baddate", 0},   /* only who needs the Date looks at it */
	{"rfc4475/regbadct", 0},  /* only a registrar looks at that Contact */
	{"rfc4475/badaspec", 400},
	{"rfc4475/baddn", NO_ANSWER}, /* the archive's file has no end of its head */
	{"rfc4475/fixed/baddn", 400},
	{"rfc4475/badvers", 505},
	{"rfc4475/mismatch01", 400},
	{"rfc4475/mismatch02", 400},
	{"rfc4475/bigcode", NO_ANSWER},
	{"rfc4475/badbranch", 0},
	{"rfc4475/insuf", NO_ANSWER},
	{"rfc4475/unkscm", 0},
	{"rfc4475/novelsc", 0},
	{"rfc4475/unksm2", 0},
	{"rfc4475/bext01", 0},
	{"rfc4475/invut", 0},
	{"rfc4475/regaut01", 0},
	{"rfc4475/multi01", 400},
	{"rfc4475/mcl01", 400},
	{"rfc4475/bcast", 0},
	{"rfc4475/zeromf", 0},
	{"rfc4475/cparam01", 0},
	{"rfc4475/cparam02", 0},
	{"rfc4475/regescrt", 0},
	{"rfc4475/sdp01", 0},
	{"rfc4475/inv2543", 0},
	{"rfc4475/undocumented-test", NO_ANSWER},
	{"rfc5118/ipv6-good", 0},
	{"rfc5118/ipv6-bad", 400},
	{"rfc5118/port-ambiguous", 0},
	{"rfc5118/port-unambiguous", 0},
	{"rfc5118/via-received-param-with-delim", 0},
	{"rfc5118/via-received-param-no-delim", 0},
	{"rfc5118/ipv6-in-sdp", 400}, /* its Content-Length is too large */
	{"rfc5118/fixed/ipv6-in-sdp", 0},
	{"rfc5118/mult-ip-in-header", 0},
	{"rfc5118/mult-ip-in-sdp", 0},
	{"rfc5118/fixed/mult-ip-in-sdp", 0},
	{"rfc5118/ipv4-mapped-ipv6", 0},
	{"rfc5118/fixed/ipv4-mapped-ipv6", 0},
	{"rfc5118/ipv6-bug-abnf-3-colons", 0},
	{"rfc5118/ipv6-correct-abnf-2-colons", 0},
};

static struct buf file(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.dat", name);
	return vector_file(path);
}

static struct sip_msg *message(const char *name)
{
	struct buf octets = file(name);
	struct sip_msg *m = good_message(buf_slice(&octets));

	buf_free(&octets);
	return m;
}

static void outcomes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf octets = file(rows[i].file);
		unsigned got = outcome(buf_slice(&octets));

		if (got != rows[i].outcome)
			fail_msg("%s gives %u", rows[i].file, got);
		buf_free(&octets);
	}
}

static void check_prefix(struct slice in)
{
	struct sip_msg *m = parsed(in);
	struct digest_string d;
	struct addr contact;

	if (m == NULL)
		return;
	all_inside(m);
	(void)msg_vias(m);
	if (msg_contact(m, &contact) == ERR_OK)
		assert_true(inside(m->raw, contact.spec));
	if (digest_string(m, &d) == ERR_OK)
		assert_true(inside(m->raw, d.parts[0]) && inside(m->raw, d.parts[12]));
	msg_unref(m);
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf octets = file(rows[i].file);

		each_prefix(buf_slice(&octets), check_prefix);
		buf_free(&octets);
	}
}

/* Every octet changed in turn: whatever comes out, it is one of the outcomes and stays inside. */
static void changed_octets(void **state)
{
	static const char changes[] = {0, '\r', '\n', ' ', ':', '"', '<', ';', ',', '\\', '%', (char)0xff};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf octets = file(rows[i].file);

		for (size_t at = 0; at < octets.n && octets.n < 1400; at++) {
			char was = octets.p[at];

			octets.p[at] = changes[at % sizeof(changes)];
			check_prefix(buf_slice(&octets));
			octets.p[at] = was;
		}
		buf_free(&octets);
	}
}

static struct slice value_named(const struct sip_msg *m, const char *name)
{
	for (unsigned i = 0; i < m->header_count; i++)
		if (slice_eq(m->headers[i].name, slice_str(name)))
			return m->headers[i].value;
	return SLICE_NONE;
}

/* RFC 4475 3.1.1.1 and 3.1.1.2 */
static void tortuous(void **state)
{
	struct sip_msg *m = message("rfc4475/wsinv");
	struct addr contact;

	(void)state;
	assert_true(m->method == METHOD_INVITE && m->cseq == 9 && m->header_count == 14);
	assert_true(slice_eq(m->uri.params, S(";unknownparam")));
	assert_true(slice_eq(m->to_tag, S("1918181833n")) && slice_eq(m->from_tag, S("98asjd8")));
	assert_true(slice_eq(m->from.display, S("\"J Rosenberg \\\\\\\"\"")));
	assert_true(slice_eq(m->from.spec, S("sip:jdrosen@example.com")));
	assert_true(slice_eq(m->to.spec, S("sip:vivekg@chair-dnrc.example.com")));
	assert_true(slice_eq(m->via.host, S("192.0.2.2")) && slice_eq(m->via.branch, S("390skdjuw")));
	assert_false(via_is_rfc3261(&m->via));
	assert_int_equal(msg_vias(m), 3);
	assert_true(slice_eq(msg_value(m, HDR_MAX_FORWARDS), S("0068")));
	assert_true(slice_eq(value_named(m, "UnknownHeaderWithUnusualValue"), S(";;,,;;,;")));
	assert_true(value_named(m, "s").p != NULL && value_named(m, "s").n == 0);
	assert_int_equal(msg_contact(m, &contact), ERR_OK);
	assert_true(slice_eq(contact.spec, S("sip:jdrosen@example.com")));
	assert_int_equal(m->body.n, 150);
	msg_unref(m);

	m = message("rfc4475/intmeth");
	assert_true(m->method == METHOD_UNKNOWN);
	assert_true(slice_eq(m->method_name, S("!interesting-Method0123456789_*+`.%indeed'~")));
	assert_true(slice_eq(m->to.display, S("\"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\"")));
	assert_true(slice_eq(m->from.display, S("token1~` token2'+_ token3*%!.-")) &&
		    slice_eq(m->from_tag, S("_token~1'+`*%!-.")));
	assert_true(slice_eq(m->call_id, S("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")));
	assert_true(slice_eq(m->uri.user, S("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")));
	assert_int_equal(m->cseq, 139122385);
	msg_unref(m);
}

/* RFC 4475 3.1.1.3 to 3.1.1.6, 3.1.1.9: escapes are resolved where they are escapes, and there only. */
static void escapes(void **state)
{
	static const char *const aors[][2] = {
		{"rfc4475/esc01", "sip:user@example.com"},
		{"rfc4475/escnull", "sip:null-%00-null@example.com"},
	};
	struct slice rest, first, second, value;
	struct uri a, b;
	struct addr contact;
	struct sip_msg *m;
	bool bad;

	(void)state;
	for (size_t i = 0; i < COUNT(aors); i++) {
		struct buf key = {0};

		m = message(aors[i][0]);
		assert_int_equal(uri_aor(&m->to.uri, &key), ERR_OK);
		if (strcmp(key.p, aors[i][1]) != 0)
			fail_msg("%s gives %s", aors[i][0], key.p);
		buf_free(&key);
		msg_unref(m);
	}
	m = message("rfc4475/esc01");
	assert_true(slice_eq(m->uri.user, S("sips%3Auser%40example.com")) && slice_eq(m->uri.host, S("example.net")));
	assert_int_equal(msg_contact(m, &contact), ERR_OK);
	assert_true(uri_param(&contact.uri, S("n%61me"), &value) && slice_eq(value, S("v%61lue%25%34%31")));
	msg_unref(m);
	/* Two contacts whose only difference is one NUL more. */
	m = message("rfc4475/escnull");
	rest = msg_value(m, HDR_CONTACT);
	first = rest;
	assert_int_equal(msg_count(m, HDR_CONTACT), 2);
	second = msg_each(m, HDR_CONTACT, msg_each(m, HDR_CONTACT, NULL))->value;
	assert_int_equal(addr_parse(first, &contact), ERR_OK);
	a = contact.uri;
	assert_int_equal(addr_parse(second, &contact), ERR_OK);
	b = contact.uri;
	assert_false(uri_equal(&a, &b));
	msg_unref(m);
	m = message("rfc4475/esc02");
	assert_true(m->method == METHOD_UNKNOWN && slice_eq(m->method_name, S("RE%47IST%45R")));
	assert_true(slice_eq(m->to.display, S("\"%Z%45\"")));
	assert_true(value_named(m, "C%6Fntact").p != NULL);
	for (rest = msg_value(m, HDR_CONTACT), first = SLICE_NONE; scan_list(&rest, &first, &bad);)
		assert_int_equal(addr_parse(first, &contact), ERR_OK);
	assert_false(bad);
	msg_unref(m);
	m = message("rfc4475/semiuri");
	assert_true(slice_eq(m->uri.user, S("user;par=u%40example.net")) && m->uri.params.n == 0);
	msg_unref(m);
	m = message("rfc4475/lwsdisp");
	assert_true(slice_eq(m->from.display, S("caller")) && slice_eq(m->from.spec, S("sip:caller@example.com")));
	msg_unref(m);
}

/* RFC 4475 3.1.1.7, 3.1.1.8, 3.1.1.10 to 3.1.1.13 */
static void shapes(void **state)
{
	struct sip_msg *m = message("rfc4475/longreq");
	struct mime_part parts[SIP_PARTS_MAX];
	struct slice boundary;
	struct media type;
	unsigned count;

	(void)state;
	assert_int_equal(msg_vias(m), 34);
	assert_true(slice_eq(m->via.host, S("sip33.example.com")));
	msg_unref(m);
	m = message("rfc4475/dblreq");
	assert_true(m->method == METHOD_REGISTER && m->body.n == 0 && slice_ends(m->raw, S("\r\n\r\n")));
	assert_int_equal(slice_find(m->raw, S("INVITE"), 0), m->raw.n);
	msg_unref(m);
	m = message("rfc4475/transports");
	assert_int_equal(msg_vias(m), 5);
	msg_unref(m);
	m = message("rfc4475/unreason");
	assert_true(m->status == 200 && slice_starts(m->reason, S("= 2**3 * 5**2 \xd0\xbd\xd0\xbe ")));
	msg_unref(m);
	m = message("rfc4475/noreason");
	assert_true(m->status == 100 && m->reason.n == 0);
	msg_unref(m);
	m = message("rfc4475/mpart01");
	assert_int_equal(m->body.n, 553);
	assert_int_equal(media_parse(msg_value(m, HDR_CONTENT_TYPE), &type), ERR_OK);
	assert_true(mime_boundary(&type, &boundary) && slice_eq(boundary, S("7a9cbec02ceef655")));
	assert_int_equal(mime_parse(m->body, boundary, parts, SIP_PARTS_MAX, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_true(slice_eq(parts[0].body, S("Hello")) && slice_eq(parts[0].content_type, S("text/plain")));
	/* SEQUENCE of 0x152 octets: the binary part, NULs and all. */
	assert_true(slice_starts(parts[1].body, S("\x30\x82\x01\x52\x06\x09")) && parts[1].body.n == 0x152 + 4);
	msg_unref(m);
}

/* RFC 4475 3.1.2.12, 3.1.2.13, 3.3.7: what the message layer leaves to those who use the field. */
static void left_to_services(void **state)
{
	struct sip_msg *m = message("rfc4475/baddate");
	struct digest_params auth;
	struct digest_string d;
	struct addr contact;

	(void)state;
	assert_int_equal(digest_string(m, &d), ERR_SYNTAX);
	msg_unref(m);
	m = message("rfc4475/regbadct");
	assert_int_equal(msg_contact(m, &contact), ERR_SYNTAX);
	msg_unref(m);
	m = message("rfc4475/regaut01");
	assert_int_equal(digest_params_parse(msg_value(m, HDR_AUTHORIZATION), &auth), ERR_UNSUPPORTED);
	msg_unref(m);
	m = message("rfc4475/unkscm");
	assert_true(m->uri.scheme == URI_OTHER);
	msg_unref(m);
	m = message("rfc4475/badbranch");
	assert_false(via_is_rfc3261(&m->via));
	msg_unref(m);
	m = message("rfc4475/bext01");
	assert_true(msg_list_has(m, HDR_REQUIRE, S("nothingSupportsThis")) &&
		    msg_list_has(m, HDR_REQUIRE, S("nothingSupportsThisEither")) &&
		    msg_list_has(m, HDR_PROXY_REQUIRE, S("norDoAnyProxiesSupportThis")));
	msg_unref(m);
}

static void ipv6(void **state)
{
	static const struct {
		const char *file, *host;
		uint32_t port;
	} uris[] = {
		{"rfc5118/ipv6-good", "[2001:db8::10]", 0},
		{"rfc5118/port-ambiguous", "[2001:db8::10:5070]", 0},
		{"rfc5118/port-unambiguous", "[2001:db8::10]", 5070},
		{"rfc5118/ipv6-correct-abnf-2-colons", "[2001:db8::192.0.2.1]", 0},
	};
	struct sip_msg *m;

	(void)state;
	for (size_t i = 0; i < COUNT(uris); i++) {
		m = message(uris[i].file);
		assert_true(slice_eq(m->uri.host, slice_str(uris[i].host)) && m->uri.port == uris[i].port);
		msg_unref(m);
	}
	m = message("rfc5118/via-received-param-with-delim");
	assert_true(slice_eq(m->via.received, S("[2001:db8::9:255]")));
	msg_unref(m);
	m = message("rfc5118/via-received-param-no-delim");
	assert_true(slice_eq(m->via.received, S("2001:db8::9:255")));
	msg_unref(m);
	m = message("rfc5118/fixed/ipv4-mapped-ipv6");
	assert_true(slice_eq(m->via.host, S("[::ffff:192.0.2.10]")) && m->via.port == 19823);
	msg_unref(m);
	m = message("rfc5118/mult-ip-in-header");
	assert_int_equal(msg_vias(m), 3);
	msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes), cmocka_unit_test(prefixes),         cmocka_unit_test(changed_octets),
		cmocka_unit_test(tortuous), cmocka_unit_test(escapes),          cmocka_unit_test(shapes),
		cmocka_unit_test(ipv6),     cmocka_unit_test(left_to_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
