#include "tests/test.h"

#include "sip/message/digest_string.h"
#include "tests/unit/message.h"
#include "tests/unit/vector.h"

static struct buf joined(const struct digest_string *d)
{
	struct buf b = {0};

	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
		buf_add(&b, d->parts[i]);
	return b;
}

/* The RFC prints Content-Length 147 over a body of 172 octets; the field is not signed, so it is put right. */
static void right_length(struct buf *octets)
{
	static const char *const wrong[][2] = {{": 147\r\n", ": 172\r\n"}, {": 149\r\n", ": 174\r\n"}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		size_t at = slice_find(buf_slice(octets), slice_str(wrong[i][0]), 0);

		if (at < octets->n)
			memcpy(octets->p + at, wrong[i][1], strlen(wrong[i][1]));
	}
}

static struct buf string_of(const char *path)
{
	struct buf octets = {0}, text;
	struct digest_string d;
	struct sip_msg *m;

	if (buf_read_file(&octets, path, VECTOR_MAX) != ERR_OK)
		fail_msg("%s cannot be read: run this in the root of the repository", path);
	right_length(&octets);
	m = good_message(buf_slice(&octets));
	if (digest_string(m, &d) != ERR_OK)
		fail_msg("%s has no digest-string", path);
	text = joined(&d);
	buf_free(&octets);
	msg_unref(m);
	return text;
}

/* RFC 4474 10 and appendix B: bit for bit (AUT-10, AUT-18, T-35). */
static void of_the_rfc(void **state)
{
	struct buf invite = string_of("tests/vectors/rfc4474/invite.sip"),
		   bye = string_of("tests/vectors/rfc4474/bye.sip");
	struct buf signed_invite = vector_file("rfc4474/invite.canonical"),
		   signed_bye = vector_file("rfc4474/bye.canonical");

	(void)state;
	assert_true(slice_eq(buf_slice(&invite), buf_slice(&signed_invite)));
	assert_true(slice_eq(buf_slice(&bye), buf_slice(&signed_bye)));
	buf_free(&invite);
	buf_free(&bye);
	buf_free(&signed_invite);
	buf_free(&signed_bye);
}

/* The INVITE of the RFC in other words, whose signature still holds, and with a signed thing changed. */
static void variants(void **state)
{
	static const struct {
		const char *name;
		bool same;
	} rows[] = {
		{"ok-addr-spec-forms", true},
		{"ok-compact-names", true},
		{"ok-content-length-absent-udp", true},
		{"ok-cseq-folded", true},
		{"ok-cseq-leading-zeros", true},
		{"ok-date-case", true},
		{"ok-date-spaces", true},
		{"ok-display-names", true},
		{"ok-header-order", true},
		{"ok-identity-info-params", true},
		{"ok-invite-unfolded", true},
		{"bad-body-bit", false},
		{"bad-body-crlf-added", false},
		{"bad-call-id", false},
		{"bad-contact-removed", false},
		{"bad-cseq-method", false},
		{"bad-cseq-number", false},
		{"bad-date", false},
		{"bad-from-uri-param", false},
		{"bad-from-user", false},
		{"bad-to", false},
	};
	struct buf expected = vector_file("rfc4474/invite.canonical");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text;
		char path[100];

		snprintf(path, sizeof(path), "tests/e2e/data/rfc4474/%s.sip", rows[i].name);
		text = string_of(path);
		if (slice_eq(buf_slice(&text), buf_slice(&expected)) != rows[i].same)
			fail_msg("%s", rows[i].name);
		buf_free(&text);
	}
	buf_free(&expected);
}

#define D_FROM "From: <sip:a@h>;tag=1\r\n"
#define D_TO "To: <sip:b@h>\r\n"
#define D_ID "Call-ID: i\r\n"
#define D_CSEQ "CSeq: 1 MESSAGE\r\n"
#define D_DATE "Date: Thu, 21 Feb 2002 13:02:03 GMT\r\n"
#define D_VIA "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
#define START "MESSAGE sip:b@h SIP/2.0\r\n"

/* string_is: the digest-string of this message, or the error. */
static void string_is(struct slice octets, enum err e, struct slice expected)
{
	struct sip_msg *m = good_message(octets);
	struct digest_string d;
	enum err got = digest_string(m, &d);

	if (got != e)
		fail_msg("%.*s\ngives %s", SLICE_ARG(octets), err_str(got));
	if (e == ERR_OK) {
		struct buf text = joined(&d);

		if (!slice_eq(buf_slice(&text), expected))
			fail_msg("%s", text.p);
		assert_int_equal(d.date_s, 1014296523);
		buf_free(&text);
	}
	msg_unref(m);
}

#define STRING(headers, body, string) string_is(S(START D_VIA headers "\r\n" body), ERR_OK, S(string))
#define REFUSED(headers, e) string_is(S(START D_VIA headers "\r\n"), e, SLICE_NONE)
#define TIME "Thu, 21 Feb 2002 13:02:03 GMT"

/* AUT-11: one blank, no leading zeros; the Date in its one form. */
static void numbers_and_dates(void **state)
{
	(void)state;
	STRING(D_FROM D_TO D_ID D_DATE "CSeq: 0007   MESSAGE\r\n", "", "sip:a@h|sip:b@h|i|7 MESSAGE|" TIME "||");
	STRING(D_FROM D_TO D_ID D_DATE "CSeq:\r\n 7\r\n\t MESSAGE \r\n", "", "sip:a@h|sip:b@h|i|7 MESSAGE|" TIME "||");
	STRING(D_FROM D_TO D_ID D_DATE "CSeq: 000 MESSAGE\r\n", "", "sip:a@h|sip:b@h|i|0 MESSAGE|" TIME "||");
	STRING(D_FROM D_TO D_ID D_DATE "CSeq: 2147483647 MESSAGE\r\n", "",
	       "sip:a@h|sip:b@h|i|2147483647 MESSAGE|" TIME "||");
	STRING(D_FROM D_TO D_ID D_CSEQ "date:  THU,  21 feb\r\n 2002 13:02:03   gmt\r\n", "",
	       "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "||");
	REFUSED(D_FROM D_TO D_ID D_CSEQ, ERR_NOTFOUND);
	REFUSED(D_FROM D_TO D_ID D_CSEQ "Date: Thu, 21 Feb 2002 13:02:03 EST\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ "Date: Fri, 21 Feb 2002 13:02:03 GMT\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ "Date:\r\n", ERR_SYNTAX);
}

/* T-13: what belongs to an addr-spec, and no change of case or escapes. */
static void addresses(void **state)
{
	(void)state;
	STRING("f: \"A|B\" <sip:A%61@H:5060;transport=TCP;x?y=z>;tag=1;p=\"|\"\r\nt: B "
	       "<sips:b@[2001:DB8::1];lr>;tag=2\r\n"
	       "i: x@Y\r\n" D_CSEQ D_DATE,
	       "", "sip:A%61@H:5060;transport=TCP;x?y=z|sips:b@[2001:DB8::1];lr|x@Y|1 MESSAGE|" TIME "||");
	STRING("From: sip:a@h;transport=tcp;tag=1\r\nTo: sip:b:pw@h ;tag=2\r\n" D_ID D_CSEQ D_DATE, "",
	       "sip:a@h|sip:b:pw@h|i|1 MESSAGE|" TIME "||");
	STRING("From:\r\n \"a\"\r\n\t<sip:a@h>\r\n ;tag=1\r\nTo:\r\n <tel:+1;ext=2>\r\n" D_ID D_CSEQ D_DATE, "",
	       "sip:a@h|tel:+1;ext=2|i|1 MESSAGE|" TIME "||");
}

/* AUT-12: no Contact is an empty field; one is its addr-spec. */
static void contacts(void **state)
{
	(void)state;
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE "Contact: \"A\" <sip:a@pc;gr>;q=0.5;expires=9\r\n", "",
	       "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "|sip:a@pc;gr|");
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE "m: sip:a@pc;gr\r\n", "",
	       "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "|sip:a@pc|");
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE "m: <sip:a,b@pc>\r\n", "",
	       "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "|sip:a,b@pc|");
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m: <sip:a@pc>,<sip:b@pc>\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m: <sip:a@pc>\r\nContact: <sip:a@pc>\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m: *\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m:\r\n", ERR_SYNTAX);
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m: sip:a@pc?x=y\r\n", ERR_SYNTAX);
}

/* T-12: exactly the octets of the body, without the CR LF before it and without what follows its length. */
static void bodies(void **state)
{
	(void)state;
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE "Content-Length: 9\r\n", "\0|\r\n\xff\x80--\nexcess",
	       "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "||\0|\r\n\xff\x80--\n");
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE, "\r\n\r\n", "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "||\r\n\r\n");
	STRING(D_FROM D_TO D_ID D_CSEQ D_DATE "l: 0\r\n", "x", "sip:a@h|sip:b@h|i|1 MESSAGE|" TIME "||");
}

/* A separator inside a field would let two messages have one string. */
static void ambiguous(void **state)
{
	(void)state;
	/* The message as a whole is refused already: nothing of that may stand in a URI or a Call-ID. */
	assert_int_equal(outcome(S(START D_VIA "From: <x:a|b>;tag=1\r\n" D_TO D_ID D_CSEQ D_DATE "\r\n")), 400);
	assert_int_equal(outcome(S(START D_VIA D_FROM "To: <x:a|b>\r\n" D_ID D_CSEQ D_DATE "\r\n")), 400);
	assert_int_equal(outcome(S(START D_VIA D_FROM D_TO "Call-ID: a|b\r\n" D_CSEQ D_DATE "\r\n")), 400);
	assert_int_equal(outcome(S(START D_VIA D_FROM D_TO "Call-ID: a\\\001b\r\n" D_CSEQ D_DATE "\r\n")), 400);
	assert_int_equal(outcome(S(START D_VIA D_FROM D_TO "Call-ID: a\\\x7f\r\n" D_CSEQ D_DATE "\r\n")), 400);
	REFUSED(D_FROM D_TO D_ID D_CSEQ D_DATE "m: <x:a|b>\r\n", ERR_SYNTAX);
}

/* A method has no cap of its own; the room for it here has. */
static void long_methods(void **state)
{
	(void)state;
	for (size_t n = 31; n <= 33; n++) {
		struct buf b = {0}, method = {0};
		struct digest_string d;
		struct sip_msg *m;

		while (method.n < n)
			buf_addc(&method, 'M');
		buf_addf(&b, "%s sip:b@h SIP/2.0\r\n" D_VIA D_FROM D_TO D_ID D_DATE "CSeq: 2147483647 %s\r\n\r\n",
			 method.p, method.p);
		m = good_message(buf_slice(&b));
		assert_int_equal(digest_string(m, &d), n <= 32 ? ERR_OK : ERR_SYNTAX);
		if (n <= 32)
			assert_true(slice_ends(d.parts[6], buf_slice(&method)));
		msg_unref(m);
		buf_free(&b);
		buf_free(&method);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_rfc), cmocka_unit_test(variants),     cmocka_unit_test(numbers_and_dates),
		cmocka_unit_test(addresses),  cmocka_unit_test(contacts),     cmocka_unit_test(bodies),
		cmocka_unit_test(ambiguous),  cmocka_unit_test(long_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
