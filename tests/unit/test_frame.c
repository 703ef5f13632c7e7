#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/limits.h"
#include "sip/transport/frame.h"
#include "tests/unit/prefix.h"

#define MAX 300 /* octets of a message in most tests here */

/*
 * What a connection does with a frame: octets arrive, everything that can be taken is taken, the rest waits. The log
 * has a letter for what was found, and its octets behind those of a message: equal logs are equal sequences.
 */
struct reader {
	struct frame frame;
	struct buf waiting, log;
	size_t max;
	bool ended;
};

static void take_one(struct reader *r, enum frame_found found, size_t n, uint64_t body)
{
	static const char letters[] = {[FRAME_MESSAGE] = 'M', [FRAME_PING] = 'P', [FRAME_BLANK] = 'B',
				       [FRAME_LARGE] = 'L',   [FRAME_BAD] = 'X',  [FRAME_LINES] = 'C'};

	/* After anything but FRAME_MORE the frame is ready for the next message. */
	assert_true(r->frame.scanned == 0 && r->frame.total == 0);
	assert_true(n <= r->waiting.n && (n > 0 || found == FRAME_BAD));
	buf_addf(&r->log, "%c%zu", letters[found], n);
	if (found == FRAME_LARGE)
		buf_addf(&r->log, "+%llu", (unsigned long long)body);
	if (found == FRAME_MESSAGE || found == FRAME_LARGE)
		buf_add(&r->log, slice_sub(buf_slice(&r->waiting), 0, n));
	buf_addc(&r->log, '.');
	buf_drop(&r->waiting, n);
	r->ended = found == FRAME_BAD || found == FRAME_LINES || found == FRAME_LARGE;
}

static void arrive(struct reader *r, struct slice octets)
{
	buf_add(&r->waiting, octets);
	while (!r->ended && r->waiting.n > 0) {
		struct slice in = guard_copy(buf_slice(&r->waiting));
		size_t scanned = r->frame.scanned, n = 4711;
		uint64_t body = 0;
		enum frame_found found = frame_next(&r->frame, in, r->max, &n, &body);

		guard_free(in);
		if (found == FRAME_MORE) {
			/* Never back: what was looked at is not looked at again. */
			assert_true(r->frame.scanned >= scanned && r->frame.scanned <= r->waiting.n);
			return;
		}
		take_one(r, found, n, body);
	}
}

static struct buf finish(struct reader *r)
{
	if (!r->ended)
		buf_addf(&r->log, "+%zu", r->waiting.n);
	buf_free(&r->waiting);
	return r->log;
}

static struct buf in_pieces(struct slice stream, size_t max, const size_t *cuts, size_t count)
{
	struct reader r = {.max = max};
	size_t at = 0;

	buf_adds(&r.log, "");
	for (size_t i = 0; i < count; i++) {
		arrive(&r, slice_sub(stream, at, cuts[i]));
		at = cuts[i];
	}
	arrive(&r, slice_sub(stream, at, stream.n));
	return finish(&r);
}

/* same_however_cut: one piece, two pieces at every position, octet by octet, and threes and sevens: one sequence. */
static void same_however_cut(struct slice stream, size_t max, const char *expected)
{
	struct buf whole = in_pieces(stream, max, NULL, 0), b;
	size_t every[4096];

	if (expected != NULL && !slice_starts(buf_slice(&whole), slice_str(expected)))
		fail_msg("%s\ninstead of %s", whole.p, expected);
	for (size_t cut = 1; cut < stream.n; cut++) {
		b = in_pieces(stream, max, &cut, 1);
		if (!slice_eq(buf_slice(&b), buf_slice(&whole)))
			fail_msg("cut at %zu: %s\ninstead of %s", cut, b.p, whole.p);
		buf_free(&b);
	}
	for (size_t step = 1; step <= 7; step += 2) {
		size_t count = 0;

		for (size_t at = step; at < stream.n && count < COUNT(every); at += step)
			every[count++] = at;
		b = in_pieces(stream, max, every, count);
		if (!slice_eq(buf_slice(&b), buf_slice(&whole)))
			fail_msg("by %zu: %s\ninstead of %s", step, b.p, whole.p);
		buf_free(&b);
	}
	buf_free(&whole);
}

#define HEAD "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n"

static void messages(void **state)
{
	(void)state;
	same_however_cut(S(HEAD "Content-Length: 0\r\n\r\n"), MAX, "M66" HEAD);
	same_however_cut(S(HEAD "l:5\r\n\r\n\r\n\r\n\r"), MAX, NULL);
	same_however_cut(S(HEAD "l: 3\r\n\r\nabc" HEAD "L : 4\r\n\r\n\r\n\r\n" HEAD "Content-Length:\r\n 0\r\n\r\n"),
			 MAX, "M56" HEAD "l: 3\r\n\r\nabc.M58" HEAD "L : 4\r\n\r\n\r\n\r\n.M");
	/* Content-Length in a body, in the start line, in another value, in a folded line: not the one that counts. */
	same_however_cut(
		S("A sip:x Content-Length:9\r\nX: Content-Length: 9\r\nY: z\r\n Content-Length: 9\r\nl: 16\r\n\r\n"
		  "Content-Length:9" HEAD "l: 0\r\n\r\n"),
		MAX, NULL);
	same_however_cut(S(HEAD "l: 0\r\n\r\n" HEAD "l: 10\r\n\r\nabc"), MAX, "M53" HEAD "l: 0\r\n\r\n.+");
}

/* RFC 5626 3.5.1 and RFC 3261 7.5: CR LF CR LF is a ping, other line ends before a message are passed over. */
static void between_messages(void **state)
{
	(void)state;
	same_however_cut(S("\r\n\r\n"), MAX, "P4.+0");
	same_however_cut(S("\r\n\r\n\r\n\r\n"), MAX, "P4.P4.+0");
	same_however_cut(S("\r\n" HEAD "l: 0\r\n\r\n"), MAX, "B2.M53");
	same_however_cut(S("\r\n\r\n" HEAD "l: 0\r\n\r\n\r\n\r\n" HEAD "l: 0\r\n\r\n\r\n"), MAX, "P4.M53");
	same_however_cut(S("\n\n" HEAD "l: 0\r\n\r\n"), MAX, "B1.B1.M53");
	same_however_cut(S("\r\r\n" HEAD "l: 0\r\n\r\n"), MAX, "B1.B2.M53");
	same_however_cut(S("\r\n\r" HEAD "l: 0\r\n\r\n"), MAX, "B2.B1.M53");
	same_however_cut(S("\r\n\n\r\n\r\n"), MAX, "B2.B1.P4.+0");
	same_however_cut(S("\r\n"), MAX, "+2");
	same_however_cut(S("\r"), MAX, "+1");
	same_however_cut(S(""), MAX, "+0");
}

/* The first octet of a TLS record, of other protocols, and of nothing at all: nobody waits for the rest of a head. */
static void no_message_begins_so(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char octet = (char)c;
		bool begins = c == '\t' || c == '\r' || c == '\n' || (c >= ' ' && c < 0x7f);

		same_however_cut(slice_of(&octet, 1), MAX, !begins ? "X0." : c == '\n' ? "B1.+0" : "+1");
	}
	same_however_cut(S(HEAD "l: 0\r\n\r\n\x16\x03\x01"), MAX, "M53" HEAD "l: 0\r\n\r\n.X0.");
}

/* ends_at_a_head: a head with these lines is the last thing that is read. found: the letter for why (take_one). */
static void ends_at_a_head(const char *lines, char found)
{
	struct buf b = {0};
	char expected[8];

	buf_addf(&b, HEAD "%s\r\n", lines);
	snprintf(expected, sizeof(expected), "%c%zu.", found, b.n);
	buf_adds(&b, "behind");
	same_however_cut(buf_slice(&b), MAX, expected);
	buf_free(&b);
}

/* RFC 3261 18.3: without a length that can be used nobody knows where the next message begins. */
static void bad_lengths(void **state)
{
	static const char *const bad[] = {
		"",
		"l:\r\n",
		"l: -1\r\n",
		"l: +1\r\n",
		"l: x\r\n",
		"l: 1x\r\n",
		"l: 1 1\r\n",
		"l: 1,1\r\n",
		"l: 0x1\r\n",
		"l: 18446744073709551616\r\n",
		"l: 18446744073709551617\r\n",
		"l: 1\r\nContent-Length: 2\r\n",
		"l: 0\r\nl: x\r\n",
		"l\r\n",
		"X: l: 1\r\n",
		"Y: z\r\n l: 1\r\n",
		"l: 1\r\n 1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		ends_at_a_head(bad[i], 'X');
	/* The same twice is refused by the parser (RFC 4475 3.3.9); it does not lose the thread. */
	same_however_cut(S(HEAD "l: 1\r\nl: 1\r\n\r\na"), MAX, "M60");
}

/* A reader that takes a lone CR or LF for the end of a line finds another head than we do. */
static void lone_line_ends(void **state)
{
	static const char *const lone[] = {
		"X: a\nl: 9\r\nl: 6\r\n", "X: a\rl: 9\r\nl: 6\r\n", "X: a\n\n\r\nl: 6\r\n", "X: a\r\r\nl: 6\r\n",
		"X: a\n\r\r\nl: 6\r\n",   "X: \n\r\nl: 6\r\n",      "\nX: a\r\nl: 6\r\n",   "X: \"\\\n\"\r\nl: 6\r\n",
		"X: a\n b\r\nl: 6\r\n",   "X\n: a\r\nl: 6\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lone); i++)
		ends_at_a_head(lone[i], 'C');
	/* In a body they are octets like others. */
	same_however_cut(S(HEAD "l: 4\r\n\r\n\n\n\r\r"), MAX, "M57");
}

static void large_bodies(void **state)
{
	static const struct {
		uint64_t length;
		bool large;
	} rows[] = {
		{MAX - 56, false},        {MAX - 55, true},        {MAX, true},
		{2147483648u, true},      {4294967295u, true},     {4294967296u, true},
		{UINT64_MAX - 100, true}, {UINT64_MAX - 56, true}, {UINT64_MAX, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = {0};
		char expected[64];
		size_t head;

		/* Heads of equal length, so that one row is right at the limit. */
		buf_addf(&b, HEAD "l: %llu\r\n\r\n", (unsigned long long)rows[i].length);
		head = b.n;
		snprintf(expected, sizeof(expected), rows[i].large ? "L%zu+%llu" HEAD : "+%zu", head,
			 (unsigned long long)rows[i].length);
		if (rows[i].length > MAX)
			same_however_cut(buf_slice(&b), MAX, expected);
		same_however_cut(buf_slice(&b), head + 10, rows[i].length <= 10 ? "+" : "L");
		buf_free(&b);
	}
	/* At the limit, and one octet over it. */
	for (size_t length = 99; length <= 101; length++) {
		struct buf b = {0};

		buf_addf(&b, HEAD "l: %03zu\r\n\r\n", length);
		size_t max = b.n + 100;

		for (size_t k = 0; k < length; k++)
			buf_addc(&b, 'x');
		same_however_cut(buf_slice(&b), max, length <= 100 ? "M" : "L55+101");
		buf_free(&b);
	}
}

/* A head of SIP_HEADER_BLOCK_MAX octets, and one more: the same however it comes. */
static void long_heads(void **state)
{
	(void)state;
	for (size_t n = SIP_HEADER_BLOCK_MAX - 1; n <= SIP_HEADER_BLOCK_MAX + 4; n++) {
		static const size_t back[] = {0, 1, 2, 3, 4, 5, 6, 1000};
		struct buf b = {0}, whole, cut;

		buf_adds(&b, HEAD "l: 0\r\nX: ");
		while (b.n < n - 4)
			buf_addc(&b, 'x');
		buf_adds(&b, "\r\n\r\n");
		whole = in_pieces(buf_slice(&b), SIP_MSG_MAX, NULL, 0);
		assert_int_equal(whole.p[0], n <= SIP_HEADER_BLOCK_MAX ? 'M' : 'X');
		for (size_t i = 0; i < COUNT(back); i++) {
			for (int sign = -1; sign <= 1; sign += 2) {
				size_t at = sign < 0 ? b.n - back[i] : SIP_HEADER_BLOCK_MAX - 3 + back[i] % 8;

				if (at > b.n)
					continue;
				cut = in_pieces(buf_slice(&b), SIP_MSG_MAX, &at, 1);
				assert_string_equal(cut.p, whole.p);
				buf_free(&cut);
			}
		}
		buf_free(&whole);
		buf_free(&b);
	}
	/* No end of a head at all: refused when it cannot come in time any more, not before. */
	struct frame f = {0};
	struct buf b = {0};
	uint64_t body;
	size_t n;

	while (b.n < SIP_HEADER_BLOCK_MAX - 1)
		buf_addc(&b, 'x');
	assert_int_equal(frame_next(&f, buf_slice(&b), SIP_MSG_MAX, &n, &body), FRAME_MORE);
	buf_addc(&b, 'x');
	assert_int_equal(frame_next(&f, buf_slice(&b), SIP_MSG_MAX, &n, &body), FRAME_BAD);
	assert_int_equal(n, 0);
	buf_free(&b);
}

/* Octet by octet: one more octet is one more octet looked at (the header's promise, field scanned). */
static void scanned_once(void **state)
{
	struct slice stream = S(HEAD "X: y\r\nl: 6\r\n\r\n\r\n\r\nab");
	struct frame f = {0};
	uint64_t body;
	size_t n = 0, head = slice_find(stream, S("\r\n\r\n"), 0) + 4;

	(void)state;
	for (size_t have = 1; have <= stream.n; have++) {
		enum frame_found found = frame_next(&f, slice_sub(stream, 0, have), MAX, &n, &body);

		assert_int_equal(found, have < stream.n ? FRAME_MORE : FRAME_MESSAGE);
		if (have < head)
			assert_true(f.scanned == have && f.total == 0);
		else if (have < stream.n)
			assert_int_equal(f.total, stream.n);
	}
	assert_int_equal(n, stream.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(between_messages),
		cmocka_unit_test(no_message_begins_so),
		cmocka_unit_test(bad_lengths),
		cmocka_unit_test(lone_line_ends),
		cmocka_unit_test(large_bodies),
		cmocka_unit_test(long_heads),
		cmocka_unit_test(scanned_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
