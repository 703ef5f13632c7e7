#include "tests/test.h"

#include "tests/unit/message.h"

/* RFC 3261 24.2, F1 */
#define INVITE \
	"INVITE sip:bob@biloxi.com SIP/2.0\r\n" \
	"Via: SIP/2.0/TCP pc33.atlanta.com;branch=z9hG4bKnashds8\r\n" \
	"Max-Forwards: 70\r\n" \
	"To: Bob <sip:bob@biloxi.com>\r\n" \
	"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n" \
	"Call-ID: a84b4c76e66710\r\n" \
	"CSeq: 314159 INVITE\r\n" \
	"Contact: <sip:alice@pc33.atlanta.com>\r\n" \
	"Content-Type: application/sdp\r\n" \
	"Content-Length: 4\r\n" \
	"\r\n" \
	"v=0\n"

static void request(void **state)
{
	struct sip_msg *m = good_message(S(INVITE "behind"));
	struct slice raw = S(INVITE);
	struct addr contact;

	(void)state;
	all_inside(m);
	assert_true(m->request && m->method == METHOD_INVITE && slice_eq(m->method_name, S("INVITE")));
	assert_true(slice_eq(m->uri_text, S("sip:bob@biloxi.com")) && slice_eq(m->uri.host, S("biloxi.com")));
	assert_true(slice_eq(m->start, S("INVITE sip:bob@biloxi.com SIP/2.0")));
	assert_int_equal(m->cseq, 314159);
	assert_true(slice_eq(m->call_id, S("a84b4c76e66710")));
	assert_true(slice_eq(m->from_tag, S("1928301774")) && m->to_tag.p == NULL);
	assert_true(slice_eq(m->from.spec, S("sip:alice@atlanta.com")) && slice_eq(m->to.display, S("Bob")));
	assert_true(slice_eq(m->via.branch, S("z9hG4bKnashds8")));
	/* RFC 3261 18.3: what stands behind the body of a datagram is not part of the message. */
	assert_true(slice_eq(m->body, S("v=0\n")) && slice_eq(m->raw, raw));
	assert_int_equal(msg_contact(m, &contact), ERR_OK);
	assert_true(slice_eq(contact.spec, S("sip:alice@pc33.atlanta.com")));
	assert_int_equal(m->header_count, 9);
	/* The lines of all fields, one after the other, are the header block. */
	const char *at = m->start.p + m->start.n + 2;

	for (unsigned i = 0; i < m->header_count; i++) {
		assert_ptr_equal(m->headers[i].line.p, at);
		at += m->headers[i].line.n;
	}
	assert_ptr_equal(at + 2, m->body.p);
	msg_unref(m);
}

static void response(void **state)
{
	struct sip_msg *m = good_message(S("SIP/2.0 200 \xd0\xbd\xd0\xbe OK\r\n" NEEDED "Content-Length: 0\r\n\r\n"));

	(void)state;
	all_inside(m);
	assert_true(!m->request && m->status == 200 && m->method == METHOD_OPTIONS);
	assert_true(slice_eq(m->reason, S("\xd0\xbd\xd0\xbe OK")));
	assert_true(m->body.p != NULL && m->body.n == 0);
	msg_unref(m);
	m = good_message(S("SIP/2.0 100 \r\n" NEEDED "\r\n"));
	assert_true(m->status == 100 && m->reason.n == 0);
	msg_unref(m);
}

static void references(void **state)
{
	struct sip_msg *m = good_message(S(INVITE));

	(void)state;
	assert_ptr_equal(msg_ref(m), m);
	msg_unref(m);
	assert_int_equal(m->cseq, 314159);
	msg_refuse(m, 413, "Request Entity Too Large");
	assert_int_equal(m->defect_code, 413);
	msg_refuse(m, 400, "Bad Request");
	assert_int_equal(m->defect_code, 400);
	msg_unref(m);
	msg_unref(NULL);
}

static const struct {
	const char *line;
	unsigned outcome;
} start_rows[] = {
	{"OPTIONS sip:bob@biloxi.com SIP/2.0", 0},
	{"OPTIONS sip:bob@biloxi.com sip/2.0", 0},
	{"OPTIONS tel:+1 SIP/2.0", 0},
	{"OPTIONS sip:bob@biloxi.com SIP/2.1", 505},
	{"OPTIONS sip:bob@biloxi.com SIP/7.0", 505},
	{"OPTIONS sip:bob@biloxi.com SIP/", 505},
	{"OPTIONS sip:bob@biloxi.com SIP/2.0 ", 400},
	{"OPTIONS sip:bob@biloxi.com SIP/2.0   ", 400},
	{"OPTIONS  sip:bob@biloxi.com SIP/2.0", 400},
	{"OPTIONS sip:bob@biloxi.com  SIP/2.0", 400},
	{"OPTIONS <sip:bob@biloxi.com> SIP/2.0", 400},
	{"OPTIONS sip:bob@biloxi.com; lr SIP/2.0", 400},
	{"OPTIONS bob@biloxi.com SIP/2.0", 400},
	{"OPTIONS * SIP/2.0", 400},
	{"OPTIONS sip:b\001b@biloxi.com SIP/2.0", 400},
	{"OPTIONS sip:bob@biloxi.com\tSIP/2.0", 1},
	{"OPTIONS sip:bob@biloxi.com HTTP/1.1", 1},
	{"OPTIONS sip:bob@biloxi.com", 1},
	{"OPTIONS SIP/2.0", 1},
	{"OPTIONS", 1},
	{" OPTIONS sip:bob@biloxi.com SIP/2.0", 1},
	{"OPT<IONS sip:bob@biloxi.com SIP/2.0", 1},
	{"", 1},
	{" ", 1},
	{"SIP/2.0 200 OK", 0},
	{"SIP/2.0 699 ", 0},
	{"SIP/2.0 100 a\tb", 0},
	{"SIP/2.0 200", 1},
	{"SIP/2.0 099 OK", 1},
	{"SIP/2.0 700 OK", 1},
	{"SIP/2.0 2000 OK", 1},
	{"SIP/2.0 20 OK", 1},
	{"SIP/2.0 -20 OK", 1},
	{"SIP/2.0  200 OK", 1},
	{"SIP/2.0 4294967301 x", 1}, /* RFC 4475 3.1.2.19 */
	{"SIP/2.1 200 OK", 1},
	{"SIP/2.0 200 a\nb", 400},
	{"SIP/2.0 200 a\rb", 400},
	{"SIP/2.0 200 a\x7f", 400},
};

static void start_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(start_rows); i++) {
		struct buf b = {0};
		unsigned got;

		buf_addf(&b, "%s\r\n" NEEDED END, start_rows[i].line);
		got = outcome(buf_slice(&b));
		if (got != start_rows[i].outcome)
			fail_msg("\"%s\" gives %u", start_rows[i].line, got);
		buf_free(&b);
	}
	assert_int_equal(outcome(S("SIP/2.0 200 a\0b\r\n" NEEDED END)), 400);
	assert_int_equal(outcome(S("OPTIONS sip:b\0b@h SIP/2.0\r\n" NEEDED END)), 400);
	assert_int_equal(outcome(S("OPTIONS x\0y:z SIP/2.0\r\n" NEEDED END)), 400);
	assert_int_equal(outcome(S("OPT\0IONS sip:b@h SIP/2.0\r\n" NEEDED END)), 1);
	/* Bare line ends do not end a start line. */
	assert_int_equal(outcome(S("OPTIONS sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h\r\n" NEEDED END)), 1);
	assert_int_equal(outcome(S("OPTIONS sip:b@h SIP/2.0\n\n")), 1);
}

static void names_and_values(void **state)
{
	struct sip_msg *m = good_message(S(OPTIONS "v:SIP/2.0/UDP h;branch=z9hG4bK1\r\nf : <sip:a@h>;tag=1\r\n"
						   "T\t:\r\n <sip:b@h>\r\ni:  x@y \r\nCSEQ: 1\r\n\t OPTIONS\r\n"
						   "k: a,\r\n b\r\nSupported: c\r\nSubject:\r\nX-A: v \r\n \r\n"
						   "X-A: \"\\\0\"\r\nl: 0\r\n\r\n"));
	const struct sip_header *h;

	(void)state;
	all_inside(m);
	assert_true(slice_eq(m->call_id, S("x@y")) && m->cseq == 1 && slice_eq(m->to.spec, S("sip:b@h")));
	assert_true(msg_list_has(m, HDR_SUPPORTED, S("B")) && msg_list_has(m, HDR_SUPPORTED, S("c")));
	assert_false(msg_list_has(m, HDR_SUPPORTED, S("d")));
	assert_false(msg_list_has(m, HDR_REQUIRE, S("a")));
	assert_int_equal(msg_count(m, HDR_SUPPORTED), 2);
	assert_int_equal(msg_count(m, HDR_CONTACT), 0);
	assert_null(msg_value(m, HDR_CONTACT).p);
	h = msg_each(m, HDR_SUPPORTED, NULL);
	assert_true(slice_eq(h->value, S("a,\r\n b")) && slice_eq(h->line, S("k: a,\r\n b\r\n")));
	h = msg_each(m, HDR_SUPPORTED, h);
	assert_true(slice_eq(h->name, S("Supported")));
	assert_null(msg_each(m, HDR_SUPPORTED, h));
	assert_null(msg_each(m, HDR_CONTACT, NULL));
	/* An empty value is there. */
	assert_true(slice_eq(m->headers[7].name, S("Subject")) && m->headers[7].value.p != NULL &&
		    m->headers[7].value.n == 0);
	assert_true(slice_eq(m->headers[8].value, S("v")) && slice_eq(m->headers[8].line, S("X-A: v \r\n \r\n")));
	msg_unref(m);
}

/* RFC 3261 7.3.1 and 25.1: what a header field may and may not look like; the whole message has the defect. */
static void odd_fields(void **state)
{
	static const struct {
		const char *field;
		unsigned outcome;
	} rows[] = {
		{"X: y\r\n", 0},
		{"X : y\r\n", 0},
		{"X \t : y\r\n", 0},
		{"X:\r\n", 0},
		{"X: a\tb\r\n", 0},
		{"X: caf\xc3\xa9 \xff\r\n", 0},
		{"X: \"\\\x07\"\r\n", 0},
		{"X:\r\n\r\n", 0}, /* ends the head early: what follows is body */
		{"X\r\n", 400},
		{": y\r\n", 400},
		{" : y\r\n", 400},
		{"X y: z\r\n", 400},
		{"X\x01: y\r\n", 400},
		{"X(: y\r\n", 400},
		{"caf\xc3\xa9: y\r\n", 400},
		{"X: a\x01\r\n", 400},
		{"X: a\x7f\r\n", 400},
		{"X: a\rb\r\n", 400},
		{"X: a\nVia: b\r\n", 400},
		{"X: a\n b\r\n", 400},
		{"X: a\n\r\n", 400},
		{"X: a\r\r\n", 400},
		{"X:\n\r\n", 400},
		{"X:\n a\r\n", 400},
		{"X: a\r\n \n\r\n", 400},
		{"X: \\\r\n", 0},
		{"X: \\\nY: b\r\n", 400},
		{"X: \\\rY\r\n", 400},
		{"X\r\n : y\r\n", 400},
		{"X: a\x0b\r\n", 400},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = {0};
		unsigned got;

		buf_addf(&b, OPTIONS NEEDED "%s" END, rows[i].field);
		got = outcome(buf_slice(&b));
		if (got != rows[i].outcome)
			fail_msg("\"%s\" gives %u", rows[i].field, got);
		buf_free(&b);
	}
	assert_int_equal(outcome(S(OPTIONS NEEDED "X: a\0b\r\n" END)), 400);
	assert_int_equal(outcome(S(OPTIONS NEEDED "X\0: b\r\n" END)), 400);
	assert_int_equal(outcome(S(OPTIONS " " NEEDED END)), 1); /* a fold of nothing hides the Via */
	assert_int_equal(outcome(S(OPTIONS NEEDED "Content-Length: 0\r\n")), 1);
	assert_int_equal(outcome(S(OPTIONS NEEDED "Content-Length: 0\r\n\r")), 1);
	assert_int_equal(outcome(S(OPTIONS NEEDED "Content-Length: 0\n\n")), 1);
	assert_int_equal(outcome(S(OPTIONS "\r\n")), 1);
}

/* RFC 3261 8.1.1: without these there is no request; without what an answer copies there is no answer. */
static void needed_fields(void **state)
{
	static const char *const fields[] = {VIA, FROM, TO, CALL_ID, CSEQ};
	static const struct {
		unsigned instead_of;
		const char *field;
		unsigned outcome;
	} rows[] = {
		{0, "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n", 1},
		{0, "Via:\r\n", 1},
		{0, "Via: SIP/3.0/UDP h\r\n", 505},
		{0, "Via: SIP/2.0/UDP a, nonsense\r\n", 0}, /* below the top: somebody else's */
		{0, "Via: SIP/2.0/UDP a,\r\n", 1},
		{1, "From: nonsense\r\n", 400},
		{1, "From: \"open <sip:a@h>;tag=1\r\n", 400},
		{1, "From:\r\n", 400},
		{1, "From: <sip:a@h>\r\n", 0}, /* RFC 2543 had no tags */
		{2, "To: < sip:a@h >\r\n", 400},
		{2, "To: isbn:2983792873\r\n", 0},
		{3, "Call-ID:\r\n", 1},
		{3, "Call-ID: a b\r\n", 400},
		{3, "Call-ID: a\r\n\tb\r\n", 400},
		{4, "CSeq: OPTIONS\r\n", 400},
		{4, "CSeq: 1 INVITE\r\n", 400},
		{4, "CSeq: 1 options\r\n", 400},
		{4, "CSeq: 2147483648 OPTIONS\r\n", 400},
		{4, "CSeq:\r\n", 400},
	};

	(void)state;
	for (unsigned leave = 0; leave < COUNT(fields); leave++) {
		struct buf b = {0};

		buf_adds(&b, OPTIONS);
		for (unsigned i = 0; i < COUNT(fields); i++)
			buf_adds(&b, i == leave ? "" : fields[i]);
		buf_adds(&b, END);
		assert_int_equal(outcome(buf_slice(&b)), 1);
		buf_free(&b);
	}
	for (unsigned r = 0; r < COUNT(rows); r++) {
		struct buf b = {0};
		unsigned got;

		buf_adds(&b, OPTIONS);
		for (unsigned i = 0; i < COUNT(fields); i++)
			buf_adds(&b, i == rows[r].instead_of ? rows[r].field : fields[i]);
		buf_adds(&b, END);
		got = outcome(buf_slice(&b));
		if (got != rows[r].outcome)
			fail_msg("\"%s\" gives %u", rows[r].field, got);
		buf_free(&b);
	}
}

static void contacts(void **state)
{
	static const struct {
		const char *fields;
		enum err e;
	} rows[] = {
		{"", ERR_NOTFOUND},
		{"Contact: <sip:a@h>\r\n", ERR_OK},
		{"m: \"a,b\" <sip:a,b@h>;q=\"0,5\"\r\n", ERR_OK},
		{"Contact: <sip:a@h>,<sip:b@h>\r\n", ERR_LIMIT},
		{"Contact: <sip:a@h>\r\nm: <sip:b@h>\r\n", ERR_LIMIT},
		{"Contact: *\r\n", ERR_SYNTAX},
		{"Contact:\r\n", ERR_SYNTAX},
		{"Contact: ,\r\n", ERR_SYNTAX},
		{"Contact: <sip:a@h>,\r\n", ERR_SYNTAX},
		{"Contact: \"a\r\n", ERR_SYNTAX},
		{"Contact: sip:a@h?x=y\r\n", ERR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = {0};
		struct sip_msg *m;
		struct addr a;

		buf_addf(&b, OPTIONS NEEDED "%s" END, rows[i].fields);
		m = good_message(buf_slice(&b));
		if (msg_contact(m, &a) != rows[i].e)
			fail_msg("\"%s\"", rows[i].fields);
		msg_unref(m);
		buf_free(&b);
	}
}

static void check_prefix(struct slice in)
{
	struct sip_msg *m = parsed(in);

	if (m == NULL)
		return;
	all_inside(m);
	(void)msg_vias(m);
	/* The only thing that can be missing from a prefix whose head is whole is a part of its body. */
	assert_true(m->body.n <= in.n && (m->defect_code == 0 || m->defect_code == 400));
	msg_unref(m);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S(INVITE), check_prefix);
	each_prefix(S("SIP/2.0 200 OK\r\n" NEEDED "X: a\r\n b\r\nY: \\\0\r\n" END), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),       cmocka_unit_test(response),         cmocka_unit_test(references),
		cmocka_unit_test(start_lines),   cmocka_unit_test(names_and_values), cmocka_unit_test(odd_fields),
		cmocka_unit_test(needed_fields), cmocka_unit_test(contacts),         cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
