#ifndef STORE_BINDING_H
#define STORE_BINDING_H

#include "core/loop.h"
#include "core/map.h"
#include "store/binding_record.h"
#include "store/commit.h"

/*
 * The table of bindings (RFC 3261 10) with its journal "bindings". Each binding is one allocation, because gateways
 * with little memory keep tens of thousands of them. There is no timer for each: a binding whose time is over is not
 * found any more, and one timer sweeps some slots of the table at a time.
 *
 * The table uses monotonic time, so that setting the clock ends no registration. The journal stores wall time, because
 * monotonic time does not survive a reboot. After a restart all bindings are there again, but without their
 * connections.
 */
struct bindings;

#define BINDING_TEXTS 6
#define BINDING_OCTETS_MAX 65535 /* octets of all texts of one binding; callers have stricter caps, and more aborts */

struct binding {
	struct map_node by_aor;
	struct binding_flow *flow; /* the connection that it is reached by; NULL: none */
	int64_t expires_ms;
	uint64_t secret;
	uint64_t id; /* its key in the journal; never 0, never used twice in a journal */
	uint32_t cseq, reg_id, interval_s;
	uint16_t q;
	uint16_t ends[BINDING_TEXTS]; /* where each text ends in octets; read them by binding_read */
	bool flow_only;
	char octets[];
};

struct bindings_deps {
	struct loop *loop;
	struct commit *commit;
	int dirfd; /* of the store */
	/* b is over and is removed behind this call; fn must not change the table */
	void (*expired)(void *arg, const struct binding *b);
	void *arg;
};

/*
 * bindings_open: loads what was there when the last run ended, also after kill -9. deps are copied; what they point to
 * must live longer than the table. ERR_IO, errno is set.
 */
MUST_USE enum err bindings_open(const struct bindings_deps *deps, struct bindings **out);
/* bindings_free: writes what waits for the end of the turn. NULL is ignored. */
void bindings_free(struct bindings *t);

/* bindings_count: how many are in memory, among them some that are over and not swept yet. */
size_t bindings_count(const struct bindings *t);

/* bindings_each: calls fn for each living one, in no order; fn must not change the table. */
typedef void (*binding_fn)(void *arg, const struct binding *b);
void bindings_each(const struct bindings *t, binding_fn fn, void *arg);

/*
 * bindings_first, bindings_next: the living ones of an AOR, the one put last first; NULL at the end. A binding stays
 * valid until it is put anew, removed or over: look it up again in each turn.
 */
struct binding *bindings_first(const struct bindings *t, struct slice aor);
struct binding *bindings_next(const struct bindings *t, const struct binding *b);

/* bindings_on_flow: a binding on this connection, the one put last, or NULL. */
struct binding *bindings_on_flow(const struct bindings *t, uint64_t flow_id);

/*
 * binding_read: all fields; the texts are slices of b, valid until b is put anew or removed. binding_aor, binding_uri:
 * one text alone.
 */
void binding_read(const struct binding *b, struct binding_record *out);
struct slice binding_aor(const struct binding *b);
struct slice binding_uri(const struct binding *b);

/*
 * binding_left_s: seconds left, rounded up, 0 when it is over. binding_since_ms: loop_now_ms of its last registration.
 */
uint32_t binding_left_s(const struct bindings *t, const struct binding *b);
int64_t binding_since_ms(const struct binding *b);

/*
 * binding_put: makes a binding that lives for r->interval_s > 0 seconds from now, in place of old, which is freed
 * (NULL: a new one). r may have slices of other bindings, but not of old. binding_remove: b is freed.
 * binding_lose_flow: the connection of b has ended; aborts for a binding without one.
 */
struct binding *binding_put(struct bindings *t, struct binding *old, const struct binding_record *r);
void binding_remove(struct bindings *t, struct binding *b);
void binding_lose_flow(struct bindings *t, struct binding *b);

#endif
