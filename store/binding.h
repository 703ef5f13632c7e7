#ifndef STORE_BINDING_H
#define STORE_BINDING_H

#include "core/loop.h"
#include "core/map.h"
#include "store/binding_record.h"
#include "store/commit.h"

/*
 * The table of bindings, with its journal "bindings". One allocation for each: gateways with little memory keep tens of
 * thousands. No timer for each either: a binding whose time is over is not found any more, and one timer sweeps the
 * table, so many slots a turn. Time is monotonic here, so that whoever sets the clock ends no registration, and that of
 * the wall in the journal. After a restart all are there again, but connections are gone.
 */
struct bindings;

#define BINDING_TEXTS 6
#define BINDING_OCTETS_MAX 65535 /* of all texts of one; callers have stricter caps */

struct binding {
	struct map_node by_aor;
	struct binding_flow *flow; /* NULL: not on a connection */
	int64_t expires_ms;
	uint64_t id; /* its key in the journal; 0 never */
	uint32_t cseq, reg_id, interval_s;
	uint16_t q;
	uint16_t ends[BINDING_TEXTS]; /* of the texts; see binding_read */
	bool flow_only;
	char octets[];
};

struct bindings_deps {
	struct loop *loop;
	struct commit *commit;
	int dirfd;          /* of the store */
	uint32_t longest_s; /* nothing is granted for longer: a clock that went back prolongs no binding of the journal
			     */
	/* The sweep: b is over and about to be removed. */
	void (*expired)(void *arg, const struct binding *b);
	void *arg;
};

/* bindings_open: what was there when the last run ended, however it did. deps are kept by value. */
MUST_USE enum err bindings_open(const struct bindings_deps *deps, struct bindings **out);
void bindings_free(struct bindings *t); /* writes what waits */

/* bindings_count: those in memory; some of them may be over. */
size_t bindings_count(const struct bindings *t);

/* bindings_each: the living ones, in no order; fn must not change the table. */
typedef void (*binding_fn)(void *arg, const struct binding *b);
void bindings_each(const struct bindings *t, binding_fn fn, void *arg);

/* bindings_first, bindings_next: the living ones of an AOR, the one made last first. NULL at the end. */
struct binding *bindings_first(const struct bindings *t, struct slice aor);
struct binding *bindings_next(const struct bindings *t, const struct binding *b);

/* bindings_on_flow: one that has this connection, or NULL. */
struct binding *bindings_on_flow(const struct bindings *t, uint64_t flow_id);

/* binding_read: everything; texts are slices of b, good until it changes. binding_uri: that text alone. */
void binding_read(const struct binding *b, struct binding_record *out);
struct slice binding_aor(const struct binding *b);
struct slice binding_uri(const struct binding *b);

/* binding_left_s: how long it lives yet, in seconds, rounded up. binding_since_ms: when it was last registered. */
uint32_t binding_left_s(const struct bindings *t, const struct binding *b);
int64_t binding_since_ms(const struct binding *b);

/*
 * binding_put: a new binding, or in the place of old (which is gone then), that lives for r->interval_s > 0 from now.
 * r may have slices of other bindings, not of old. binding_remove: b is gone. binding_lose_flow: without its flow.
 */
struct binding *binding_put(struct bindings *t, struct binding *old, const struct binding_record *r);
void binding_remove(struct bindings *t, struct binding *b);
void binding_lose_flow(struct bindings *t, struct binding *b);

#endif
