#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/*
 * The event loop: one thread, file descriptors, timers, signals, and work put off to the end of the turn. Handlers run
 * one at a time; none may block. Time is read once per turn. The only file that knows libevent (tests/lint/layers.sh).
 */
struct loop;
struct io;
struct timer;

typedef void (*loop_fn)(void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *l); /* what was put off is run first */

/* loop_run: until loop_stop; loop_stop: the current turn is the last one. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Monotonic milliseconds for every interval; wall-clock seconds since 1970 for Date, Expires-at and certificates only.
 */
int64_t loop_now_ms(const struct loop *l);
int64_t loop_wall_s(const struct loop *l);

/* loop_defer: fn(arg) at the end of this turn, in order; how an object whose handler is running gets freed. */
void loop_defer(struct loop *l, loop_fn fn, void *arg);

/* loop_signal: fn(arg) in the loop when the signal arrives. Ends with loop_free. */
MUST_USE enum err loop_signal(struct loop *l, int signo, loop_fn fn, void *arg);

enum { IO_READ = 1, IO_WRITE = 2 };
typedef void (*io_fn)(void *arg, int events);

/*
 * io_new: watches fd (the caller's, non-blocking) for nothing yet; io_want: IO_READ and/or IO_WRITE from now on, level
 * triggered. io_free: stops watching, fd stays open; close it after.
 */
struct io *io_new(struct loop *l, int fd, io_fn fn, void *arg);
void io_want(struct io *io, int events);
void io_free(struct io *io);

/*
 * timer_new: stopped. timer_start: fn(arg) once, ms from now; starting again moves it. Any number of timers of the same
 * ms costs O(1) each as long as there are at most LOOP_LENGTHS different lengths; others cost O(log n).
 */
#define LOOP_LENGTHS 32
struct timer *timer_new(struct loop *l, loop_fn fn, void *arg);
void timer_start(struct timer *t, uint32_t ms);
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);
void timer_free(struct timer *t); /* NULL is ignored */

#endif
