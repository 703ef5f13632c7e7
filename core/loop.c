#include "core/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <time.h>

#include "core/list.h"
#include "core/mem.h"

/*
 * libevent behind a small interface. One event base without locks: everything here is called by the loop thread.
 *
 * Order within a turn: libevent collects what is ready (descriptors, timers, signals) and runs it; then the turn event
 * runs the deferred calls. An object that a handler ended is freed there, when no handler is on the stack.
 */

#define SIGNALS_MAX 8

struct deferred {
	struct list_node node;
	loop_fn fn;
	void *arg;
};

struct on_signal {
	struct event *ev;
	loop_fn fn;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event *turn; /* active when deferred is not empty */
	struct list deferred;
	struct on_signal signals[SIGNALS_MAX];
	unsigned signal_count;
	struct {
		uint32_t ms;
		const struct timeval *common;
	} lengths[LOOP_LENGTHS];
	unsigned length_count;
};

struct io {
	struct loop *loop;
	struct event *ev;
	int fd;
	int events;
	io_fn fn;
	void *arg;
};

struct timer {
	struct loop *loop;
	struct event ev; /* in place and not on the heap, because each transaction has several timers */
	loop_fn fn;
	void *arg;
};

/* A deferred call may defer another one: it is run in this loop as well, since it goes to the end of the list. */
static void run_deferred(struct loop *l)
{
	struct list_node *n;

	while ((n = list_take(&l->deferred)) != NULL) {
		struct deferred *d = LIST_ENTRY(n, struct deferred, node);

		d->fn(d->arg);
		mem_free(d);
	}
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_deferred(arg);
}

struct loop *loop_new(void)
{
	struct loop *l = mem_alloc(sizeof(*l));
	struct event_config *config = event_config_new();

	/*
	 * Workers wake the loop through an eventfd and never call libevent, so the base needs no locks.
	 *
	 * epoll changes take effect at once and are not collected (no EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST): when
	 * io_free returns, the descriptor must be out of the epoll set, because its number may become a file of a
	 * worker next.
	 */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	if (l->base == NULL)
		abort();
	l->turn = event_new(l->base, -1, 0, on_turn, l);
	list_init(&l->deferred);
	return l;
}

void loop_free(struct loop *l)
{
	run_deferred(l);
	for (unsigned i = 0; i < l->signal_count; i++)
		event_free(l->signals[i].ev);
	event_free(l->turn);
	event_base_free(l->base);
	mem_free(l);
}

void loop_run(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *l)
{
	event_base_loopexit(l->base, NULL);
}

int64_t loop_now_ms(const struct loop *l)
{
	struct timespec ts;

	(void)l;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_wall_s(const struct loop *l)
{
	(void)l;
	return (int64_t)time(NULL);
}

void loop_defer(struct loop *l, loop_fn fn, void *arg)
{
	struct deferred *d = mem_alloc(sizeof(*d));

	*d = (struct deferred){.fn = fn, .arg = arg};
	/*
	 * The turn event is activated once for the whole list. It runs behind everything that is ready in this turn and
	 * before anything that becomes ready later, so a busy loop cannot delay it.
	 */
	if (list_is_empty(&l->deferred))
		event_active(l->turn, EV_TIMEOUT, 0);
	list_add(&l->deferred, &d->node);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	const struct on_signal *s = arg;

	(void)signo;
	(void)what;
	s->fn(s->arg);
}

enum err loop_signal(struct loop *l, int signo, loop_fn fn, void *arg)
{
	struct on_signal *s = &l->signals[l->signal_count];

	if (l->signal_count == SIGNALS_MAX)
		return ERR_LIMIT;
	*s = (struct on_signal){.fn = fn, .arg = arg};
	s->ev = evsignal_new(l->base, signo, on_signal, s);
	if (s->ev == NULL || event_add(s->ev, NULL) != 0)
		return ERR_IO;
	l->signal_count++;
	return ERR_OK;
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	const struct io *io = arg;

	(void)fd;
	io->fn(io->arg, (what & EV_READ ? IO_READ : 0) | (what & EV_WRITE ? IO_WRITE : 0));
}

struct io *io_new(struct loop *l, int fd, io_fn fn, void *arg)
{
	struct io *io = mem_alloc(sizeof(*io));

	*io = (struct io){.loop = l, .fd = fd, .fn = fn, .arg = arg};
	io->ev = event_new(l->base, fd, EV_PERSIST, on_io, io);
	if (io->ev == NULL)
		abort();
	return io;
}

void io_want(struct io *io, int events)
{
	short what = EV_PERSIST;

	if (events == io->events)
		return;
	io->events = events;
	/* The interest of an event cannot be changed while it is pending: take it out, assign it anew, add it. */
	event_del(io->ev);
	if (events == 0)
		return;
	what |= (events & IO_READ ? EV_READ : 0) | (events & IO_WRITE ? EV_WRITE : 0);
	event_assign(io->ev, io->loop->base, io->fd, what, on_io, io);
	if (event_add(io->ev, NULL) != 0)
		abort();
}

void io_free(struct io *io)
{
	if (io == NULL)
		return;
	event_free(io->ev);
	mem_free(io);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct timer *timer_new(struct loop *l, loop_fn fn, void *arg)
{
	struct timer *t = mem_alloc(sizeof(*t));

	*t = (struct timer){.loop = l, .fn = fn, .arg = arg};
	if (evtimer_assign(&t->ev, l->base, on_timer, t) != 0)
		abort();
	return t;
}

/*
 * common_length: libevent keeps a queue per common length, in which a start is O(1), and a heap for all others, O(log
 * n). 100,000 transactions use the same few lengths of RFC 3261 17. Returns tv where the length gets no queue.
 */
static const struct timeval *common_length(struct loop *l, uint32_t ms, struct timeval *tv)
{
	*tv = (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	for (unsigned i = 0; i < l->length_count; i++)
		if (l->lengths[i].ms == ms)
			return l->lengths[i].common;
	/*
	 * A queue is never given back. Odd lengths come from jitter and from Expires values of strangers, who could use
	 * the table up; so only multiples of 500 ms (T1 and its doublings) get one.
	 */
	if (l->length_count == LOOP_LENGTHS || ms % 500 != 0 || ms > 64000)
		return tv;
	const struct timeval *common = event_base_init_common_timeout(l->base, tv);

	if (common == NULL)
		return tv;
	l->lengths[l->length_count].ms = ms;
	l->lengths[l->length_count++].common = common;
	return common;
}

void timer_start(struct timer *t, uint32_t ms)
{
	struct timeval tv;

	if (event_add(&t->ev, common_length(t->loop, ms, &tv)) != 0)
		abort();
}

void timer_stop(struct timer *t)
{
	event_del(&t->ev);
}

bool timer_running(const struct timer *t)
{
	return evtimer_pending(&t->ev, NULL) != 0;
}

void timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	event_del(&t->ev);
	mem_free(t);
}
