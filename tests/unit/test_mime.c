#include "tests/test.h"

#include "sip/message/limits.h"
#include "sip/message/mime.h"
#include "tests/unit/prefix.h"

static void boundaries(void **state)
{
	static const struct {
		const char *type, *boundary; /* NULL: none that can be used */
	} rows[] = {
		{"multipart/mixed;boundary=boundary", "boundary"},
		{"multipart/mixed; boundary=\"gc0p4Jq0M:2Yt08j34c0p\"", "gc0p4Jq0M:2Yt08j34c0p"}, /* RFC 2046 5.1.1 */
		{"multipart/mixed;x=y;BOUNDARY = \"a b'()+_,-./:=?\"", "a b'()+_,-./:=?"},
		{"multipart/mixed;boundary=7a9cbec02ceef655;boundary=b", "7a9cbec02ceef655"},
		{"multipart/mixed;boundary=\"1234567890123456789012345678901234567890123456789012345678901234567890\"",
		 "1234567890123456789012345678901234567890123456789012345678901234567890"},
		{"multipart/mixed;boundary=\"12345678901234567890123456789012345678901234567890123456789012345678901\"",
		 NULL},
		{"multipart/mixed", NULL},
		{"multipart/mixed;boundary", NULL},
		{"multipart/mixed;boundary=\"\"", NULL},
		{"multipart/mixed;boundary=\"a \"", NULL},
		{"multipart/mixed;boundary=\"a\\\"b\"", NULL},
		{"multipart/mixed;boundary=\"a\tb\"", NULL},
		{"multipart/mixed;boundary=\"caf\xc3\xa9\"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].type)), boundary = S("kept");
		struct media m;
		bool found;

		assert_int_equal(media_parse(in, &m), ERR_OK);
		found = mime_boundary(&m, &boundary);
		if (found != (rows[i].boundary != NULL) ||
		    !slice_eq(boundary, found ? slice_str(rows[i].boundary) : S("kept")))
			fail_msg("%s", rows[i].type);
		guard_free(in);
	}
}

/* parts_are: text under the boundary "b" gives these bodies with "|" behind each, or the error. */
static void parts_are(struct slice text, const char *bodies, enum err expected)
{
	struct slice in = guard_copy(text);
	struct mime_part parts[SIP_PARTS_MAX];
	unsigned count = 4711;
	struct buf all = {0};
	enum err e = mime_parse(in, S("b"), parts, SIP_PARTS_MAX, &count);

	buf_adds(&all, "");
	if (e == ERR_OK)
		for (unsigned i = 0; i < count; i++) {
			assert_true(inside(in, parts[i].body) && inside(in, parts[i].content_type) &&
				    inside(in, parts[i].encoding) && inside(in, parts[i].disposition));
			buf_add(&all, parts[i].body);
			buf_addc(&all, '|');
		}
	else
		assert_int_equal(count, 4711);
	if (e != expected || (bodies != NULL && strcmp(all.p, bodies) != 0))
		fail_msg("\"%.*s\" gives %s, \"%s\"", SLICE_ARG(text), err_str(e), all.p);
	buf_free(&all);
	guard_free(in);
}

#define HEAD "Content-Type: a/b\r\n\r\n"

/* RFC 2046 5.1.1 */
static void delimiters(void **state)
{
	(void)state;
	parts_are(S("--b\r\n" HEAD "one\r\n--b\r\n" HEAD "two\r\n--b--\r\n"), "one|two|", ERR_OK);
	parts_are(S("--b\r\n\r\none\r\n--b--"), "one|", ERR_OK);
	parts_are(S("pre\r\n--b\r\n\r\none\r\n--b--\r\npost\r\n--b\r\n\r\nno\r\n"), "one|", ERR_OK);
	parts_are(S("--b \t\r\n\r\none\r\n--b-- \r\n"), "one|", ERR_OK);
	/* The CR LF before a delimiter is the delimiter's, one more is the part's. */
	parts_are(S("--b\r\n\r\none\r\n\r\n--b--"), "one\r\n|", ERR_OK);
	parts_are(S("--b\r\n\r\n\r\n--b--"), "|", ERR_OK);
	parts_are(S("--b\r\n" HEAD "\r\n--b\r\n\r\nx\r\n--b--"), "|x|", ERR_OK);
	/* Only a whole line is a delimiter. */
	parts_are(S("--b\r\n\r\none --b-- x\r\n--bb\r\n --b\r\n--b x\r\n--b--"),
		  "one --b-- x\r\n--bb\r\n --b\r\n--b x|", ERR_OK);
	parts_are(S("x--b\r\n\r\none\r\n--b--"), NULL, ERR_OK);
	parts_are(S("--b\r\n\r\none\n--b--\nx\r\n--b--"), "one\n--b--\nx|", ERR_OK);
	parts_are(S("--b\r\n\r\n-\r\n--\r\n-b\r\n--b--"), "-\r\n--\r\n-b|", ERR_OK);
	/* A closing delimiter at once: no part. */
	parts_are(S("--b--\r\n"), "", ERR_OK);
	parts_are(S("--b\r\n"), "", ERR_OK);
	parts_are(S(""), NULL, ERR_SYNTAX);
	parts_are(SLICE_NONE, NULL, ERR_SYNTAX);
	parts_are(S("text"), NULL, ERR_SYNTAX);
	parts_are(S("--a\r\n\r\none\r\n--a--"), NULL, ERR_SYNTAX);
	parts_are(S("-b\r\n\r\none"), NULL, ERR_SYNTAX);
	parts_are(S("--b\n\none\n--b--"), NULL, ERR_SYNTAX);
	parts_are(S("--b\r\none\r\n--b--"), NULL, ERR_SYNTAX);
	/* An empty part has its empty line like any other. */
	parts_are(S("--b\r\n--b\r\n\r\nx\r\n--b--"), NULL, ERR_SYNTAX);
	parts_are(S("--b\r\n\r\n--b--"), NULL, ERR_SYNTAX);
	parts_are(S("--b\r\n"
		    "Content-Type: a/b\r\n--b--"),
		  NULL, ERR_SYNTAX);
}

/* T-16: draft-ietf-sip-certs-06 8.2 ends with an open delimiter. */
static void lenient(void **state)
{
	(void)state;
	parts_are(S("--b\r\n\r\none\r\n--b"), "one|", ERR_OK);
	parts_are(S("--b\r\n\r\none\r\n--b\r\n"), "one|", ERR_OK);
	parts_are(S("--b\r\n\r\none\r\n--b  "), "one|", ERR_OK);
	parts_are(S("--b\r\n\r\none"), "one|", ERR_OK);
	parts_are(S("--b\r\n\r\none\r\n"), "one\r\n|", ERR_OK);
	parts_are(S("--b\r\n\r\none\r\n--b\r\n\r\ntwo"), "one|two|", ERR_OK);
	parts_are(S("--b\r\n\r\n\r\n\x30\x82"), "\r\n\x30\x82|", ERR_OK);
}

static void heads(void **state)
{
	struct mime_part parts[2];
	unsigned count;

	(void)state;
	assert_int_equal(
		mime_parse(S("--b\r\nc: a/b;\r\n x=y\r\nX-Other: z\r\nno colon\r\nCONTENT-Disposition : signal\r\n"
			     "Content-Transfer-Encoding: binary\r\nContent-ID: 123\r\n\r\n\0body\r\n--b\r\n\r\n"
			     "c: x/y\r\n--b--\r\n"),
			   S("b"), parts, 2, &count),
		ERR_OK);
	assert_int_equal(count, 2);
	assert_true(slice_eq(parts[0].content_type, S("a/b;\r\n x=y")));
	assert_true(slice_eq(parts[0].disposition, S("signal")) && slice_eq(parts[0].encoding, S("binary")));
	assert_true(slice_eq(parts[0].body, S("\0body")));
	assert_true(parts[1].content_type.p == NULL && parts[1].encoding.p == NULL && parts[1].disposition.p == NULL);
	assert_true(slice_eq(parts[1].body, S("c: x/y")));
}

static void limit(void **state)
{
	struct mime_part parts[SIP_PARTS_MAX + 1];
	unsigned count;

	(void)state;
	for (unsigned n = SIP_PARTS_MAX - 1; n <= SIP_PARTS_MAX + 1; n++) {
		struct buf b = {0};

		for (unsigned i = 0; i < n; i++)
			buf_addf(&b, "--b\r\n\r\npart %u\r\n", i);
		buf_adds(&b, "--b--");
		memset(&parts[SIP_PARTS_MAX], PREFIX_FILL, sizeof(parts[0]));
		assert_int_equal(mime_parse(buf_slice(&b), S("b"), parts, SIP_PARTS_MAX, &count),
				 n <= SIP_PARTS_MAX ? ERR_OK : ERR_LIMIT);
		assert_true(n > SIP_PARTS_MAX || count == n);
		assert_true(untouched(&parts[SIP_PARTS_MAX], sizeof(parts[0])));
		buf_free(&b);
	}
}

/* What is written is strict, and read again it is what went in, whatever octets the parts have. */
static void written(void **state)
{
	struct buf octets = {0}, b = {0};
	struct mime_part parts[3];
	unsigned count;

	(void)state;
	mime_add_part(&b, S("x"), "text/plain", S("a"));
	mime_close(&b, S("x"));
	assert_string_equal(
		b.p, "--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\na\r\n--x--\r\n");
	buf_clear(&b);
	for (int c = 0; c < 256; c++)
		buf_addc(&octets, (char)c);
	buf_add(&octets, S("\r\n--\r\n--x y\r\n--xy\r\n"));
	mime_add_part(&b, S("x"), "application/pkix-cert", buf_slice(&octets));
	mime_add_part(&b, S("x"), "application/pkcs8", S(""));
	mime_add_part(&b, S("x"), "text/plain", S("\r\n"));
	mime_close(&b, S("x"));
	assert_int_equal(mime_parse(buf_slice(&b), S("x"), parts, 3, &count), ERR_OK);
	assert_int_equal(count, 3);
	assert_true(slice_eq(parts[0].body, buf_slice(&octets)) && parts[1].body.n == 0 &&
		    slice_eq(parts[2].body, S("\r\n")));
	assert_true(slice_eq(parts[1].content_type, S("application/pkcs8")) &&
		    slice_eq(parts[1].encoding, S("binary")));
	buf_free(&octets);
	buf_free(&b);
}

static void check_prefix(struct slice in)
{
	struct mime_part parts[3];
	unsigned count;
	enum err e = mime_parse(in, S("b"), parts, 3, &count);

	assert_true(e == ERR_OK || e == ERR_SYNTAX || e == ERR_LIMIT);
	for (unsigned i = 0; e == ERR_OK && i < count; i++)
		assert_true(inside(in, parts[i].body) && inside(in, parts[i].content_type) &&
			    inside(in, parts[i].encoding) && inside(in, parts[i].disposition));
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("pre\r\n--b \r\nc: a/b;\r\n x=y\r\nContent-Disposition: signal\r\n\r\none\r\n--b-\r\n--b\r\n\r\n"
		      "\r\n--b\r\n\r\ntwo\r\n--b\r\n\r\nthree\r\n--b--\r\npost"),
		    check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundaries), cmocka_unit_test(delimiters), cmocka_unit_test(lenient),
		cmocka_unit_test(heads),      cmocka_unit_test(limit),      cmocka_unit_test(written),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
