#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include "core/loop.h"
#include "core/work.h"
#include "sip/transport/transport.h"

/*
 * The loop, the worker pool and the transport of a test: the functions of core/loop.h, core/work.h and
 * sip/transport/transport.h over a clock that only the test moves. They are linked in place of the real ones. Nothing
 * happens but inside a call of this header: each runs what it causes to its end (what was put off, jobs that are not
 * held) before it returns.
 */

#define FAKE_START_S 1780000000 /* the wall clock of a new loop: 2026-05-28 20:26:40 UTC */

/* fake_advance: both clocks go on by ms; timers that are due run in order, each at its time. */
void fake_advance(struct loop *l, int64_t ms);

/* fake_settle: runs what was put off and the jobs that are not held. */
void fake_settle(struct loop *l);

/* fake_set_wall: somebody sets the wall clock; the monotonic one does not notice. */
void fake_set_wall(struct loop *l, int64_t wall_s);

/* fake_timers: how many timers are running. */
unsigned fake_timers(const struct loop *l);

/* fake_hold: jobs wait until hold is false again. work_submit says ERR_BUSY when more than the pool's queue wait. */
void fake_hold(struct work *w, bool hold);

/* For work.c: fn(arg) does what there is to do and says whether it was anything; it is asked until it was nothing. */
typedef bool (*fake_source_fn)(void *arg);
void fake_add_source(struct loop *l, fake_source_fn fn, void *arg);
void fake_remove_source(struct loop *l, void *arg);

/* fake_udp: a peer's address pair. fake_stream: a new connection from there. addresses are "host:port". */
struct flow fake_udp(const char *remote);
struct flow fake_stream(struct transport *t, enum proto proto, const char *remote);

/* fake_inject: octets come in as one message. It must be one that msg_parse takes. */
void fake_inject(struct transport *t, const struct flow *from, struct slice octets);

/* fake_next: the oldest message that was sent and not taken yet, parsed; msg_unref it. *to (or NULL): where it went. */
struct sip_msg *fake_next(struct transport *t, struct flow *to);

/* fake_sent: how many messages wait for fake_next. */
unsigned fake_sent(const struct transport *t);

/* fake_close: the connection is gone, and its user is told. */
void fake_close(struct transport *t, const struct flow *f);

/* fake_refuse: a datagram that began with sent reached nobody at remote. */
void fake_refuse(struct transport *t, const char *remote, struct slice sent);

/* fake_waited: how long datagrams have waited from now on; UINT32_MAX, which it is at first: not known. */
void fake_waited(struct transport *t, uint32_t ms);

/* fake_send_error: what transport_send says from now on; ERR_OK: it sends. */
void fake_send_error(struct transport *t, enum err e);

/* fake_connect_error: what transport_connect says from now on; ERR_OK: it connects. */
void fake_connect_error(struct transport *t, enum err e);

/* fake_connect_name: the name of the last transport_connect. */
const char *fake_connect_name(const struct transport *t);

/* fake_kept: the sum of transport_keep for a connection. */
int fake_kept(const struct transport *t, const struct flow *f);

#endif
