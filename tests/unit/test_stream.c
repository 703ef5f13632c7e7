#include "tests/test.h"

#include "core/mem.h"
#include "sip/transport/stream.h"

/* Connections of the system, on the loopback interface: how many there may be, and their end. */

struct world {
	struct loop *loop;
	struct work *work;
	struct streams *streams;
	struct timer *end;
	struct peer at;
	unsigned opened, closed;
};

static void on_end(void *arg)
{
	struct world *w = arg;

	loop_stop(w->loop);
}

static void on_opened(void *arg, struct stream *s)
{
	struct world *w = arg;

	(void)s;
	w->opened++;
}

static size_t on_data(void *arg, struct stream *s, struct slice in)
{
	(void)arg;
	(void)s;
	return in.n;
}

static void on_closed(void *arg, struct stream *s, const char *why)
{
	struct world *w = arg;

	(void)s;
	(void)why;
	w->closed++;
}

static const struct stream_user user = {.opened = on_opened, .data = on_data, .closed = on_closed};

static void run(struct world *w)
{
	timer_start(w->end, 50);
	loop_run(w->loop);
}

static void begin(struct world *w, const struct stream_limits *limits)
{
	struct stream_listener *l;

	*w = (struct world){.loop = loop_new()};
	w->work = work_new(w->loop, 1, 4, 0);
	w->end = timer_new(w->loop, on_end, w);
	w->streams = streams_new(w->loop, w->work, 1, limits);
	assert_true(peer_of(S("127.0.0.1"), 0, &w->at));
	assert_int_equal(stream_listen(w->streams, &w->at, NULL, &user, w, &l), ERR_OK);
}

static void end(struct world *w)
{
	work_free(w->work);
	streams_free(w->streams);
	timer_free(w->end);
	loop_free(w->loop);
}

static enum err reach(struct world *w, const char *ip, uint64_t *id)
{
	struct peer to;

	assert_true(peer_of(slice_str(ip), peer_port(&w->at), &to));
	return stream_connect(w->streams, &to, NULL, SLICE_NONE, TLS_NAME_SIP, &user, w, id);
}

static const struct stream_limits few = {.connections = 64,
					 .per_source = 4,
					 .handshake_ms = 10000,
					 .first_ms = 10000,
					 .message_ms = 10000,
					 .idle_ms = 10000,
					 .kept_idle_ms = 10000};

/*
 * 18.2.2 has a server connect to whoever closed before the answer, to a port of his choice: what may not be opened from
 * there may not be opened to there either.
 */
static void connections_per_source_count_both_ways(void **state)
{
	struct world w;
	uint64_t id[4], other;

	(void)state;
	begin(&w, &few);
	/* Each is accepted here, too: both ends count. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(reach(&w, "127.0.0.1", &id[i]), ERR_OK);
		run(&w);
	}
	assert_int_equal(w.opened, 4);
	assert_int_equal(reach(&w, "127.0.0.1", &id[2]), ERR_BUSY);
	/* Another address is not concerned. */
	stream_stop_listening(w.streams);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(reach(&w, "127.0.0.9", &other), ERR_OK);
	assert_int_equal(reach(&w, "127.0.0.9", &other), ERR_BUSY);
	/* One less, and there is room again. */
	stream_close(stream_find(w.streams, id[0]), "by the test");
	run(&w);
	assert_int_equal(reach(&w, "127.0.0.1", &id[3]), ERR_OK);
	end(&w);
}

/* The program stops in the turn in which a connection has closed; the call that ends the connection is still to come.
 */
static void freed_while_one_is_ending(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	begin(&w, &few);
	assert_int_equal(reach(&w, "127.0.0.1", &id), ERR_OK);
	run(&w);
	assert_int_equal(w.opened, 2);
	stream_close(stream_find(w.streams, id), "by the test");
	end(&w);
	assert_int_equal(w.closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_per_source_count_both_ways),
		cmocka_unit_test(freed_while_one_is_ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
