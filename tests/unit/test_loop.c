#include "tests/test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/loop.h"

/* What happened, a letter each, in order. */
static struct buf happened;
static struct loop *loop;

struct event {
	char letter;
	bool last; /* stops the loop */
	struct event *then;
};

static void note(void *arg)
{
	const struct event *e = arg;

	buf_addc(&happened, e->letter);
	if (e->then != NULL)
		loop_defer(loop, note, e->then);
	if (e->last)
		loop_stop(loop);
}

static void begin(void)
{
	loop = loop_new();
	buf_clear(&happened);
	buf_adds(&happened, "");
}

static void finish(const char *expected)
{
	loop_free(loop);
	assert_string_equal(happened.p, expected);
	buf_free(&happened);
}

/* In order, also what is put off by what was put off, all in the same turn. */
static void deferred(void **state)
{
	struct event d = {.letter = 'd', .last = true}, a = {.letter = 'a', .then = &d}, b = {.letter = 'b'},
		     c = {.letter = 'c'};

	(void)state;
	begin();
	loop_defer(loop, note, &a);
	loop_defer(loop, note, &b);
	loop_defer(loop, note, &c);
	assert_int_equal(happened.n, 0);
	loop_run(loop);
	assert_string_equal(happened.p, "abcd");
	/* The loop can go on, and what is left when it ends is done by loop_free. */
	loop_defer(loop, note, &d);
	loop_run(loop);
	loop_defer(loop, note, &b);
	loop_defer(loop, note, &a);
	finish("abcddbad");
}

static void timers(void **state)
{
	struct event a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'}, end = {.letter = 'e', .last = true};
	struct timer *ta, *tb, *tc, *te;

	(void)state;
	begin();
	ta = timer_new(loop, note, &a);
	tb = timer_new(loop, note, &b);
	tc = timer_new(loop, note, &c);
	te = timer_new(loop, note, &end);
	assert_false(timer_running(ta));
	timer_start(te, 60);
	timer_start(tc, 40);
	timer_start(ta, 20);
	timer_start(tb, 30);
	assert_true(timer_running(ta));
	/* Starting again moves it, both ways; a stopped one does not come. */
	timer_start(ta, 50);
	timer_start(te, 70);
	timer_start(tc, 10);
	timer_stop(tb);
	timer_stop(tb);
	assert_false(timer_running(tb));
	loop_run(loop);
	assert_string_equal(happened.p, "cae");
	assert_false(timer_running(ta) || timer_running(tc) || timer_running(te));
	/* Once each; started again it comes again. */
	timer_start(tb, 1);
	timer_start(te, 20);
	loop_run(loop);
	/* One that is freed while it runs is gone. */
	timer_start(ta, 0);
	timer_free(ta);
	timer_start(te, 5);
	loop_run(loop);
	timer_free(tb);
	timer_free(tc);
	timer_free(te);
	timer_free(NULL);
	finish("caebee");
}

/* More lengths than the table has room for: each still comes, in order, and can be stopped and moved. */
static void many_lengths(void **state)
{
	struct timer *all[3 * LOOP_LENGTHS], *end;
	struct event late = {.letter = 'L'}, last = {.letter = 'e', .last = true};
	struct event quick[10];

	(void)state;
	begin();
	for (unsigned i = 0; i < 2 * LOOP_LENGTHS; i++) {
		all[i] = timer_new(loop, note, &late);
		timer_start(all[i], 30000 + 500 * i);
	}
	for (unsigned i = 2 * LOOP_LENGTHS; i < 3 * LOOP_LENGTHS; i++) {
		all[i] = timer_new(loop, note, &late);
		timer_start(all[i], 100000 + i);
	}
	for (unsigned i = 0; i < 3 * LOOP_LENGTHS; i++)
		assert_true(timer_running(all[i]));
	end = timer_new(loop, note, &last);
	/* Moved from lengths in the table and from others to short ones, in a mixed order. */
	for (unsigned i = 0; i < 10; i++) {
		unsigned slot = (i * 7) % 10;
		struct timer **t = &all[i * 9];

		quick[i] = (struct event){.letter = (char)('0' + slot)};
		timer_free(*t);
		*t = timer_new(loop, note, &quick[i]);
		timer_start(*t, 30000);
		timer_start(*t, 10 + 3 * slot);
	}
	timer_start(end, 60);
	for (unsigned i = 1; i < 3 * LOOP_LENGTHS; i += 9) {
		timer_stop(all[i]);
		assert_false(timer_running(all[i]));
	}
	loop_run(loop);
	for (unsigned i = 0; i < 3 * LOOP_LENGTHS; i++)
		timer_free(all[i]);
	timer_free(end);
	finish("0123456789e");
}

static void signals(void **state)
{
	struct event usr1 = {.letter = '1'}, usr2 = {.letter = '2', .last = true};

	(void)state;
	begin();
	assert_int_equal(loop_signal(loop, SIGUSR1, note, &usr1), ERR_OK);
	assert_int_equal(loop_signal(loop, SIGUSR2, note, &usr2), ERR_OK);
	assert_int_equal(raise(SIGUSR1), 0);
	/* In the loop, not where it hits. */
	assert_int_equal(happened.n, 0);
	assert_int_equal(raise(SIGUSR2), 0);
	loop_run(loop);
	assert_int_equal(happened.n, 2);
	for (int signo = SIGRTMIN; signo < SIGRTMIN + 6; signo++)
		assert_int_equal(loop_signal(loop, signo, note, &usr1), ERR_OK);
	assert_int_equal(loop_signal(loop, SIGRTMIN + 6, note, &usr1), ERR_LIMIT);
	finish(happened.p[0] == '1' ? "12" : "21");
}

/* --- file descriptors --- */

static int ends[2];
static struct io *watch;
static unsigned reads_wanted;

static void on_end(void *arg, int events)
{
	char c = '?';

	(void)arg;
	if (events & IO_WRITE) {
		buf_addc(&happened, 'w');
		io_want(watch, 0);
		loop_stop(loop);
	}
	if (events & IO_READ) {
		/* Level triggered: nothing is read the first time, and it is told again. */
		buf_addc(&happened, 'r');
		if (--reads_wanted > 0)
			return;
		assert_int_equal(read(ends[0], &c, 1), 1);
		buf_addc(&happened, c);
		loop_stop(loop);
	}
}

static void descriptors(void **state)
{
	struct event idle = {.letter = '.', .last = true};
	struct timer *t;

	(void)state;
	begin();
	t = timer_new(loop, note, &idle);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	watch = io_new(loop, ends[0], on_end, NULL);
	assert_int_equal(write(ends[1], "x", 1), 1);
	/* Not watched yet. */
	timer_start(t, 5);
	loop_run(loop);
	reads_wanted = 3;
	io_want(watch, IO_READ);
	io_want(watch, IO_READ);
	loop_run(loop);
	/* Watched, but there is nothing. */
	timer_start(t, 5);
	loop_run(loop);
	/* There is something, but it is not watched any more. */
	io_want(watch, 0);
	assert_int_equal(write(ends[1], "y", 1), 1);
	timer_start(t, 5);
	loop_run(loop);
	reads_wanted = 1;
	io_want(watch, IO_READ);
	loop_run(loop);
	io_free(watch);
	io_free(NULL);
	watch = io_new(loop, ends[1], on_end, NULL);
	io_want(watch, IO_WRITE);
	loop_run(loop);
	timer_start(t, 5);
	loop_run(loop);
	io_free(watch);
	timer_free(t);
	/* The descriptors are still the caller's. */
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(close(ends[1]), 0);
	finish(".rrrx..ryw.");
}

static int pairs[2][2];

static void on_pair(void *arg, int events)
{
	static struct event end = {.letter = 'e', .last = true};
	const unsigned *which = arg;
	char c;

	assert_int_equal(events, IO_READ);
	assert_int_equal(read(pairs[*which][0], &c, 1), 1);
	buf_addc(&happened, c);
	if (happened.n == 1)
		loop_defer(loop, note, &end);
}

/* What a handler puts off comes behind the handlers of everything else that is ready in this turn. */
static void end_of_turn(void **state)
{
	static unsigned numbers[2] = {0, 1};
	struct io *both[2];

	(void)state;
	begin();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pairs[i], O_NONBLOCK), 0);
		both[i] = io_new(loop, pairs[i][0], on_pair, &numbers[i]);
		io_want(both[i], IO_READ);
		assert_int_equal(write(pairs[i][1], "x", 1), 1);
	}
	loop_run(loop);
	for (unsigned i = 0; i < 2; i++) {
		io_free(both[i]);
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	finish("xxe");
}

/* An end of file and an error come as something to read. */
static void closed_peer(void **state)
{
	char c;

	(void)state;
	begin();
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	watch = io_new(loop, ends[0], on_end, NULL);
	reads_wanted = 2;
	io_want(watch, IO_READ);
	assert_int_equal(write(ends[1], "z", 1), 1);
	close(ends[1]);
	loop_run(loop);
	assert_int_equal(read(ends[0], &c, 1), 0);
	io_free(watch);
	close(ends[0]);
	finish("rrz");
}

static void clocks(void **state)
{
	int64_t a, b;

	(void)state;
	begin();
	a = loop_now_ms(loop);
	b = loop_now_ms(loop);
	assert_true(a > 0 && b >= a);
	assert_true(loop_wall_s(loop) > 1700000000);
	finish("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deferred),     cmocka_unit_test(end_of_turn), cmocka_unit_test(timers),
		cmocka_unit_test(many_lengths), cmocka_unit_test(signals),     cmocka_unit_test(descriptors),
		cmocka_unit_test(closed_peer),  cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
