#include "tests/test.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/log.h"
#include "tests/unit/prefix.h"

/* What goes to stderr between capture() and captured(). */
static int saved = -1, reader = -1;

static void capture(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

static struct buf captured(void)
{
	struct buf b = {0};
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	buf_adds(&b, "");
	while ((n = read(reader, buf_reserve(&b, 4096), 4096)) > 0)
		buf_commit(&b, (size_t)n);
	close(reader);
	return b;
}

static unsigned lines_with(const struct buf *b, const char *what)
{
	struct slice rest = buf_slice(b), line;
	unsigned n = 0;

	while (slice_cut(rest, '\n', &line, &rest))
		n += slice_find(line, slice_str(what), 0) < line.n;
	assert_int_equal(rest.n, 0);
	return n;
}

/* "2026-01-02T03:04:05Z level text" */
static void line_is(struct slice line, const char *rest)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ ";

	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		assert_true(i < line.n);
		if (shape[i] == 'd')
			assert_true(line.p[i] >= '0' && line.p[i] <= '9');
		else
			assert_int_equal(line.p[i], shape[i]);
	}
	assert_true(slice_eq(slice_sub(line, sizeof(shape) - 1, line.n), slice_str(rest)));
}

static void rate(void **state)
{
	(void)state;
	log_set(LOG_WARN);
	/* A second may end in between; then it is tried again. */
	for (int attempt = 0; attempt < 10; attempt++) {
		time_t before, after;
		struct buf b;
		unsigned warned;

		for (time_t now = time(NULL); now == time(NULL);)
			usleep(1000);
		before = time(NULL);
		capture();
		for (int i = 0; i < LOG_WARN_RATE + 7; i++)
			log_line(LOG_WARN, "event=w number=%d", i);
		/* Errors are for the operator and have no rate; they say how many were left out. */
		for (int i = 0; i < 3; i++)
			log_line(LOG_ERROR, "event=e");
		after = time(NULL);
		b = captured();
		warned = lines_with(&b, "event=w ");
		assert_int_equal(lines_with(&b, "event=e"), 3);
		if (before == after) {
			assert_int_equal(warned, LOG_WARN_RATE);
			assert_int_equal(lines_with(&b, "warn event=suppressed lines=7"), 1);
			buf_free(&b);
			return;
		}
		buf_free(&b);
	}
	fail_msg("this machine is too slow to log some lines within one second");
}

static void levels(void **state)
{
	(void)state;
	for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		struct buf b;

		log_set((enum log_level)level);
		capture();
		for (int l = LOG_ERROR; l <= LOG_DEBUG; l++) {
			assert_int_equal(log_on((enum log_level)l), l <= level);
			log_line((enum log_level)l, "event=l%d x=%s", l, "y");
		}
		b = captured();
		for (int l = LOG_ERROR; l <= LOG_DEBUG; l++) {
			char text[20];

			snprintf(text, sizeof(text), "event=l%d", l);
			assert_int_equal(lines_with(&b, text), l <= level);
		}
		buf_free(&b);
	}
	assert_true(log_on(LOG_DEBUG));
	log_set(LOG_INFO);
	capture();
	log_line(LOG_INFO, "event=%s n=%d", "seen", 5);
	struct buf b = captured();

	assert_int_equal(b.p[b.n - 1], '\n');
	line_is(slice_sub(buf_slice(&b), 0, b.n - 1), "info event=seen n=5");
	buf_free(&b);
}

/* However long the text is: one line, one end, at most a kilobyte. */
static void long_lines(void **state)
{
	char text[3000];

	(void)state;
	log_set(LOG_INFO);
	for (size_t n = 900; n < sizeof(text); n += n < 1100 ? 1 : 317) {
		struct buf b;

		memset(text, 'x', n);
		text[n] = '\0';
		capture();
		log_line(LOG_INFO, "event=long text=%s", text);
		b = captured();
		assert_true(b.n <= 1024 && b.p[b.n - 1] == '\n');
		assert_int_equal(slice_chr(buf_slice(&b), '\n'), b.n - 1);
		assert_int_equal(slice_chr(buf_slice(&b), '\0'), b.n);
		assert_true(slice_find(buf_slice(&b), S("event=long text=xxx"), 0) < b.n);
		buf_free(&b);
	}
}

static void escapes(void **state)
{
	static const struct {
		const char *text, *out;
	} rows[] = {
		{"", "-"},
		{"plain", "plain"},
		{"-", "-"},
		{"a b", "a\\x20b"},
		{"a\nevent=forged", "a\\x0aevent=forged"},
		{"\r\n\t", "\\x0d\\x0a\\x09"},
		{"\"q\"", "\\x22q\\x22"},
		{"\\x41", "\\x5cx41"},
		{"\x1b[2J", "\\x1b[2J"},
		{"caf\xc3\xa9\x7f\xff", "caf\\xc3\\xa9\\x7f\\xff"},
		{"!~", "!~"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));

		assert_string_equal(log_esc(in).text, rows[i].out);
		guard_free(in);
	}
	assert_string_equal(log_esc(S("a\0b")).text, "a\\x00b");
	assert_string_equal(log_esc(SLICE_NONE).text, "-");
}

/* Cut with dots, never in the middle of an escape, never out of its room, whatever the length and the octets. */
static void cuts(void **state)
{
	(void)state;
	for (size_t lead = 0; lead < 4; lead++) {
		for (size_t n = 0; n < 400; n++) {
			char octets[404];
			struct slice in;
			struct log_text out;
			size_t length;

			memset(octets, 'a', lead);
			memset(octets + lead, '\n', n);
			in = guard_copy(slice_of(octets, lead + n));
			out = log_esc(in);
			length = strlen(out.text);
			assert_true(length < sizeof(out.text));
			if (lead + 4 * n < 150)
				assert_int_equal(length, lead + n == 0 ? 1 : lead + 4 * n);
			else if (lead + 4 * n >= sizeof(out.text))
				assert_true(length > 140 && slice_ends(slice_str(out.text), S("\\x0a...")));
			guard_free(in);
		}
	}
}

int main(void)
{
	/* The rate comes last: what it leaves out is told with the next line. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels), cmocka_unit_test(long_lines), cmocka_unit_test(escapes),
		cmocka_unit_test(cuts),   cmocka_unit_test(rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
