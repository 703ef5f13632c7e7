#include "core/loop.h"

#include <stdlib.h>

#include "core/mem.h"
#include "tests/fake/fake.h"

#define SOURCES_MAX 4
#define STEPS_MAX 1000000 /* timers in one fake_advance; beyond, something runs in circles */

struct deferred {
	struct deferred *next;
	loop_fn fn;
	void *arg;
};

struct timer {
	struct loop *loop;
	struct timer *next; /* of all timers of the loop */
	bool running;
	int64_t due_ms;
	uint64_t order; /* of starting: of two that are due at once the older comes first */
	loop_fn fn;
	void *arg;
};

struct loop {
	int64_t now_ms, wall_ms;
	uint64_t started;
	struct timer *timers;
	struct deferred *first, **last;
	struct {
		fake_source_fn fn;
		void *arg;
	} sources[SOURCES_MAX];
	unsigned source_count;
};

struct loop *loop_new(void)
{
	struct loop *l = mem_alloc(sizeof(*l));

	l->now_ms = 1000; /* not 0, which some take for "never" */
	l->wall_ms = (int64_t)FAKE_START_S * 1000;
	l->last = &l->first;
	return l;
}

static bool run_deferred(struct loop *l)
{
	bool any = l->first != NULL;

	while (l->first != NULL) {
		struct deferred *d = l->first;

		l->first = d->next;
		if (l->first == NULL)
			l->last = &l->first;
		d->fn(d->arg);
		mem_free(d);
	}
	return any;
}

void loop_free(struct loop *l)
{
	run_deferred(l);
	if (l->timers != NULL)
		abort(); /* a timer outlives its loop */
	mem_free(l);
}

void loop_run(struct loop *l)
{
	(void)l;
	abort();
}

void loop_stop(struct loop *l)
{
	(void)l;
	abort();
}

int64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

int64_t loop_wall_s(const struct loop *l)
{
	return l->wall_ms / 1000;
}

void loop_defer(struct loop *l, loop_fn fn, void *arg)
{
	struct deferred *d = mem_alloc(sizeof(*d));

	*d = (struct deferred){.fn = fn, .arg = arg};
	*l->last = d;
	l->last = &d->next;
}

enum err loop_signal(struct loop *l, int signo, loop_fn fn, void *arg)
{
	(void)l;
	(void)signo;
	(void)fn;
	(void)arg;
	return ERR_UNSUPPORTED;
}

/* No descriptor is ever watched here. */
struct io *io_new(struct loop *l, int fd, io_fn fn, void *arg)
{
	(void)l;
	(void)fd;
	(void)fn;
	(void)arg;
	abort();
}

void io_want(struct io *io, int events)
{
	(void)io;
	(void)events;
	abort();
}

void io_free(struct io *io)
{
	if (io != NULL)
		abort();
}

struct timer *timer_new(struct loop *l, loop_fn fn, void *arg)
{
	struct timer *t = mem_alloc(sizeof(*t));

	*t = (struct timer){.loop = l, .next = l->timers, .fn = fn, .arg = arg};
	l->timers = t;
	return t;
}

void timer_start(struct timer *t, uint32_t ms)
{
	t->running = true;
	t->due_ms = t->loop->now_ms + ms;
	t->order = ++t->loop->started;
}

void timer_stop(struct timer *t)
{
	t->running = false;
}

bool timer_running(const struct timer *t)
{
	return t->running;
}

void timer_free(struct timer *t)
{
	struct timer **at;

	if (t == NULL)
		return;
	for (at = &t->loop->timers; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	mem_free(t);
}

unsigned fake_timers(const struct loop *l)
{
	unsigned n = 0;

	for (const struct timer *t = l->timers; t != NULL; t = t->next)
		n += t->running;
	return n;
}

void fake_add_source(struct loop *l, fake_source_fn fn, void *arg)
{
	if (l->source_count == SOURCES_MAX)
		abort();
	l->sources[l->source_count].fn = fn;
	l->sources[l->source_count++].arg = arg;
}

void fake_remove_source(struct loop *l, void *arg)
{
	for (unsigned i = 0; i < l->source_count; i++)
		if (l->sources[i].arg == arg)
			l->sources[i--] = l->sources[--l->source_count];
}

void fake_settle(struct loop *l)
{
	bool again = true;

	while (again) {
		again = run_deferred(l);
		for (unsigned i = 0; i < l->source_count; i++)
			again = l->sources[i].fn(l->sources[i].arg) || again;
	}
}

static struct timer *next_due(const struct loop *l, int64_t until_ms)
{
	struct timer *best = NULL;

	for (struct timer *t = l->timers; t != NULL; t = t->next) {
		if (!t->running || t->due_ms > until_ms)
			continue;
		if (best == NULL || t->due_ms < best->due_ms || (t->due_ms == best->due_ms && t->order < best->order))
			best = t;
	}
	return best;
}

static void go_to(struct loop *l, int64_t now_ms)
{
	l->wall_ms += now_ms - l->now_ms;
	l->now_ms = now_ms;
}

void fake_advance(struct loop *l, int64_t ms)
{
	int64_t until_ms = l->now_ms + ms;
	struct timer *t;

	fake_settle(l);
	for (unsigned steps = 0; (t = next_due(l, until_ms)) != NULL; steps++) {
		if (steps == STEPS_MAX)
			abort();
		go_to(l, t->due_ms);
		t->running = false;
		t->fn(t->arg);
		fake_settle(l);
	}
	go_to(l, until_ms);
}

void fake_set_wall(struct loop *l, int64_t wall_s)
{
	l->wall_ms = wall_s * 1000;
}
