#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/*
 * The event loop: one thread that runs handlers for file descriptors, timers and signals, and deferred calls at the end
 * of a turn. Handlers run one at a time and none may block. Only core/loop.c knows libevent (tests/lint/layers.sh). All
 * functions are for the loop thread; other threads reach it through a descriptor (core/work.c).
 */
struct loop;
struct io;
struct timer;

typedef void (*loop_fn)(void *arg);

/*
 * loop_new: never NULL; aborts when the system has no descriptors. loop_free: runs the deferred calls first; all io and
 * timers are freed before by their owners. loop_run: returns after loop_stop, or never. loop_stop: the handlers that
 * are ready now still run.
 */
struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/*
 * loop_now_ms: monotonic milliseconds, for every interval. It is not affected by setting the clock and means nothing
 * after a reboot. loop_wall_s: wall-clock seconds since 1970, only for Date, certificates and what is stored on disk.
 * Both ask the system at each call.
 */
int64_t loop_now_ms(const struct loop *l);
int64_t loop_wall_s(const struct loop *l);

/*
 * loop_defer: calls fn(arg) once, behind all handlers that are ready in this turn, in the order of the calls. An object
 * whose handler is running is freed this way, because the code above it on the stack still uses it.
 */
void loop_defer(struct loop *l, loop_fn fn, void *arg);

/*
 * loop_signal: calls fn(arg) in the loop, not in signal context, whenever the signal arrives, until loop_free.
 * ERR_LIMIT beyond 8 signals, ERR_IO.
 */
MUST_USE enum err loop_signal(struct loop *l, int signo, loop_fn fn, void *arg);

enum { IO_READ = 1, IO_WRITE = 2 };
typedef void (*io_fn)(void *arg, int events);

/*
 * io_new: watches fd (the caller's, non-blocking) for nothing yet. io_want: from now on fn(arg, events) is called while
 * fd is readable (IO_READ) or writable (IO_WRITE); level-triggered, so what is not read is reported again. io_free:
 * stops watching and leaves fd open. Close fd only afterwards: a number that is closed first may be another file
 * already. NULL is ignored by io_free.
 */
struct io *io_new(struct loop *l, int fd, io_fn fn, void *arg);
void io_want(struct io *io, int events);
void io_free(struct io *io);

/*
 * timer_new: a stopped timer. timer_start: calls fn(arg) once, ms from now; starting a running timer moves it.
 * timer_free stops it; NULL is ignored.
 *
 * Starting costs O(1) for up to LOOP_LENGTHS different lengths that are multiples of 500 ms and at most 64 s, which
 * covers the timers of RFC 3261 17. Other lengths go into a heap and cost O(log n).
 */
#define LOOP_LENGTHS 32
struct timer *timer_new(struct loop *l, loop_fn fn, void *arg);
void timer_start(struct timer *t, uint32_t ms);
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);
void timer_free(struct timer *t);

#endif
