#include "store/binding.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/journal.h"

#define JOURNAL "bindings"
#define JOURNAL_MAX (256u << 20) /* 100,000 bindings of 1 kB, and as much history */
#define SWEEP_MS 5000
#define SWEEP_SLOTS 16384 /* slots in one sweep: half a millisecond; 100,000 bindings are gone over in 40 s */

struct bindings {
	struct bindings_deps d;
	struct journal *journal;
	struct timer *sweep;
	struct map by_aor;
	struct groups by_flow; /* key: connection; while opening: journal id, since no binding has a connection then */
	uint64_t last_id;
	size_t slot; /* the slot that was swept last */
};

/*
 * What leads from a connection to a binding. Apart from struct binding, because most bindings of a large server are on
 * UDP and need none.
 */
struct binding_flow {
	struct group_node node;
	struct binding *b;
	uint64_t id; /* of the connection */
};

/* --- one binding --- */

static struct slice text(const struct binding *b, unsigned i)
{
	size_t start = i == 0 ? 0 : b->ends[i - 1];

	return slice_of(b->octets + start, b->ends[i] - start);
}

void binding_read(const struct binding *b, struct binding_record *out)
{
	*out = (struct binding_record){.aor = text(b, 0),
				       .uri = text(b, 1),
				       .params = text(b, 2),
				       .call_id = text(b, 3),
				       .path = text(b, 4),
				       .flow = text(b, 5),
				       .secret = b->secret,
				       .flow_id = b->flow == NULL ? 0 : b->flow->id,
				       .cseq = b->cseq,
				       .reg_id = b->reg_id,
				       .interval_s = b->interval_s,
				       .q = b->q,
				       .flow_only = b->flow_only};
}

struct slice binding_aor(const struct binding *b)
{
	return text(b, 0);
}

struct slice binding_uri(const struct binding *b)
{
	return text(b, 1);
}

static struct binding *make(const struct binding_record *r)
{
	const struct slice texts[BINDING_TEXTS] = {r->aor, r->uri, r->params, r->call_id, r->path, r->flow};
	struct binding *b;
	size_t n = 0;

	for (unsigned i = 0; i < BINDING_TEXTS; i++)
		n += texts[i].n;
	/* uint16_t ends[] could not hold the offsets. */
	if (n > BINDING_OCTETS_MAX)
		abort();
	b = mem_alloc(sizeof(*b) + n);
	n = 0;
	for (unsigned i = 0; i < BINDING_TEXTS; i++) {
		if (texts[i].n > 0)
			memcpy(b->octets + n, texts[i].p, texts[i].n);
		n += texts[i].n;
		b->ends[i] = (uint16_t)n;
	}
	return b;
}

static void set_numbers(struct binding *b, const struct binding_record *r)
{
	b->secret = r->secret;
	b->cseq = r->cseq;
	b->reg_id = r->reg_id;
	b->interval_s = r->interval_s;
	b->q = r->q;
	b->flow_only = r->flow_only;
}

uint32_t binding_left_s(const struct bindings *t, const struct binding *b)
{
	int64_t left = b->expires_ms - loop_now_ms(t->d.loop);

	return left <= 0 ? 0 : (uint32_t)((left + 999) / 1000);
}

int64_t binding_since_ms(const struct binding *b)
{
	return b->expires_ms - (int64_t)b->interval_s * 1000;
}

static bool is_alive(const struct bindings *t, const struct binding *b)
{
	return b->expires_ms > loop_now_ms(t->d.loop);
}

/* --- the journal --- */

static void journal_key(const struct binding *b, char out[20])
{
	snprintf(out, 20, "%llx", (unsigned long long)b->id);
}

static void save(const struct bindings *t, struct journal *j, const struct binding *b, bool brief)
{
	struct binding_record r;
	struct buf value = {0};
	char key[20];

	journal_key(b, key);
	binding_read(b, &r);
	binding_record_write(&r, (uint64_t)(loop_wall_s(t->d.loop) + binding_left_s(t, b)), brief, &value);
	journal_put(j, slice_str(key), buf_slice(&value));
	buf_free(&value);
}

static void on_snapshot(void *arg, struct journal *j)
{
	const struct bindings *t = arg;

	for (struct map_node *n = map_first(&t->by_aor); n != NULL; n = map_next(&t->by_aor, n)) {
		const struct binding *b = MAP_ENTRY(n, struct binding, by_aor);

		if (is_alive(t, b))
			save(t, j, b, false);
	}
}

/*
 * is_refresh: does the journal have all of r already, but for what a brief line says? The flow of a connection is not
 * in the journal, so it may differ.
 */
static bool is_refresh(const struct binding *b, const struct binding_record *r)
{
	struct binding_record was;

	binding_read(b, &was);
	return slice_eq(was.uri, r->uri) && slice_eq(was.params, r->params) && slice_eq(was.call_id, r->call_id) &&
	       slice_eq(was.path, r->path) && was.reg_id == r->reg_id && was.q == r->q &&
	       was.flow_only == r->flow_only && was.secret == r->secret && (was.flow_id != 0) == (r->flow_id != 0) &&
	       (r->flow_id != 0 || slice_eq(was.flow, r->flow));
}

/* --- the table --- */

static void on_sweep(void *arg);

static void join_flow(struct bindings *t, struct binding *b, uint64_t id)
{
	struct binding_flow *f = mem_alloc(sizeof(*f));

	f->b = b;
	f->id = id;
	group_add(&t->by_flow, &f->node, slice_of(&id, sizeof(id)));
	b->flow = f;
}

static void leave_flow(struct bindings *t, struct binding *b)
{
	if (b->flow == NULL)
		return;
	group_remove(&t->by_flow, &b->flow->node);
	mem_free(b->flow);
	b->flow = NULL;
}

static void enter(struct bindings *t, struct binding *b, uint64_t flow_id)
{
	map_add(&t->by_aor, &b->by_aor, text(b, 0));
	if (flow_id != 0)
		join_flow(t, b, flow_id);
	if (!timer_running(t->sweep))
		timer_start(t->sweep, SWEEP_MS);
}

static void forget(struct bindings *t, struct binding *b)
{
	map_remove(&t->by_aor, &b->by_aor);
	leave_flow(t, b);
	mem_free(b);
}

/* sweep_slot: removes what is over. Nothing is written, because the journal has the ends of all bindings. */
static void sweep_slot(struct bindings *t, size_t slot)
{
	struct map_node *next;

	for (struct map_node *n = map_slot(&t->by_aor, slot); n != NULL; n = next) {
		struct binding *b = MAP_ENTRY(n, struct binding, by_aor);

		next = map_slot_next(n);
		if (is_alive(t, b))
			continue;
		t->d.expired(t->d.arg, b);
		forget(t, b);
	}
}

static void on_sweep(void *arg)
{
	struct bindings *t = arg;
	size_t slots = map_slots(&t->by_aor);

	/*
	 * When the table has grown meanwhile its nodes have moved to other slots. One that is missed now is met in the
	 * next round.
	 */
	for (size_t i = 0; i < SWEEP_SLOTS && i < slots; i++) {
		t->slot = t->slot + 1 >= slots ? 0 : t->slot + 1;
		sweep_slot(t, t->slot);
	}
	if (t->by_aor.count > 0)
		timer_start(t->sweep, SWEEP_MS);
}

struct binding *binding_put(struct bindings *t, struct binding *old, const struct binding_record *r)
{
	bool brief = old != NULL && is_refresh(old, r);
	struct binding *b = make(r);

	if (old != NULL) {
		b->id = old->id;
		forget(t, old);
	} else {
		b->id = ++t->last_id;
	}
	set_numbers(b, r);
	b->expires_ms = loop_now_ms(t->d.loop) + (int64_t)r->interval_s * 1000;
	enter(t, b, r->flow_id);
	save(t, t->journal, b, brief);
	return b;
}

void binding_remove(struct bindings *t, struct binding *b)
{
	char key[20];

	journal_key(b, key);
	journal_delete(t->journal, slice_str(key));
	forget(t, b);
}

void binding_lose_flow(struct bindings *t, struct binding *b)
{
	if (b->flow == NULL)
		abort(); /* only a connection can be lost */
	leave_flow(t, b);
	/* The flow is the last text: it becomes empty. */
	b->ends[BINDING_TEXTS - 1] = b->ends[BINDING_TEXTS - 2];
}

size_t bindings_count(const struct bindings *t)
{
	return t->by_aor.count;
}

void bindings_each(const struct bindings *t, binding_fn fn, void *arg)
{
	for (struct map_node *n = map_first(&t->by_aor); n != NULL; n = map_next(&t->by_aor, n)) {
		const struct binding *b = MAP_ENTRY(n, struct binding, by_aor);

		if (is_alive(t, b))
			fn(arg, b);
	}
}

static struct binding *living(const struct bindings *t, struct map_node *n)
{
	for (; n != NULL; n = map_find_next(n)) {
		struct binding *b = MAP_ENTRY(n, struct binding, by_aor);

		if (is_alive(t, b))
			return b;
	}
	return NULL;
}

struct binding *bindings_first(const struct bindings *t, struct slice aor)
{
	return living(t, map_find(&t->by_aor, aor));
}

struct binding *bindings_next(const struct bindings *t, const struct binding *b)
{
	return living(t, map_find_next(&b->by_aor));
}

struct binding *bindings_on_flow(const struct bindings *t, uint64_t flow_id)
{
	struct group_node *n = group_first(&t->by_flow, slice_of(&flow_id, sizeof(flow_id)));

	return n == NULL ? NULL : GROUP_ENTRY(n, struct binding_flow, node)->b;
}

/* --- opening --- */

/*
 * set_time: the end in monotonic time, from the wall time of the journal. A clock that went back meanwhile prolongs
 * nothing beyond what was granted. One that went forward ends bindings early, and the next refreshes bring them back.
 */
static void set_time(const struct bindings *t, struct binding *b, uint64_t until_s)
{
	int64_t left = (int64_t)until_s - loop_wall_s(t->d.loop);

	if (left > b->interval_s)
		left = b->interval_s;
	b->expires_ms = loop_now_ms(t->d.loop) + (left > 0 ? left : 0) * 1000;
}

static void replay_put(struct bindings *t, struct binding *b, uint64_t id, const struct binding_record *r, bool brief,
		       uint64_t until_s)
{
	if (brief && b == NULL) /* the line that made this binding was damaged */
		return;
	if (brief) {
		b->cseq = r->cseq;
		b->interval_s = r->interval_s;
	} else {
		if (b != NULL)
			forget(t, b);
		b = make(r);
		set_numbers(b, r);
		b->id = id;
		map_add(&t->by_aor, &b->by_aor, text(b, 0));
		join_flow(t, b, id);
	}
	set_time(t, b, until_s);
}

static bool read_id(struct slice key, uint64_t *out)
{
	return key.n <= 15 && slice_hex(key, out) && *out != 0;
}

static void on_replay(void *arg, struct slice key, struct slice value)
{
	struct bindings *t = arg;
	struct buf scratch = {0};
	struct binding_record r;
	struct binding *b;
	uint64_t id, until_s;
	bool brief;

	if (!read_id(key, &id)) {
		log_line(LOG_ERROR, "event=bad_binding key=%s", log_esc(key).text);
		return;
	}
	if (id > t->last_id)
		t->last_id = id;
	b = bindings_on_flow(t, id);
	if (value.p == NULL) {
		if (b != NULL)
			forget(t, b);
		return;
	}
	if (binding_record_read(value, &scratch, &r, &until_s, &brief) != ERR_OK || scratch.n > BINDING_OCTETS_MAX ||
	    (!brief && r.aor.n == 0))
		log_line(LOG_ERROR, "event=bad_binding key=%s", log_esc(key).text);
	else
		replay_put(t, b, id, &r, brief, until_s);
	buf_free(&scratch);
}

static void leave_flows(struct bindings *t)
{
	for (struct map_node *n = map_first(&t->by_aor); n != NULL; n = map_next(&t->by_aor, n))
		leave_flow(t, MAP_ENTRY(n, struct binding, by_aor));
	groups_free(&t->by_flow); /* it has grown to the size of the table */
	groups_init(&t->by_flow);
}

enum err bindings_open(const struct bindings_deps *deps, struct bindings **out)
{
	struct bindings *t = mem_alloc(sizeof(*t));
	enum err e;

	t->d = *deps;
	map_init(&t->by_aor);
	groups_init(&t->by_flow);
	t->sweep = timer_new(t->d.loop, on_sweep, t);
	e = journal_open(t->d.loop, t->d.commit, t->d.dirfd, JOURNAL, JOURNAL_MAX, on_replay, on_snapshot, t,
			 &t->journal);
	leave_flows(t);
	if (e != ERR_OK) {
		bindings_free(t);
		return e;
	}
	/* What has ended while the process did not run is removed by the first sweeps. */
	if (t->by_aor.count > 0)
		timer_start(t->sweep, SWEEP_MS);
	*out = t;
	return ERR_OK;
}

void bindings_free(struct bindings *t)
{
	struct map_node *next;

	if (t == NULL)
		return;
	journal_free(t->journal);
	timer_free(t->sweep);
	for (struct map_node *n = map_first(&t->by_aor); n != NULL; n = next) {
		next = map_next(&t->by_aor, n);
		forget(t, MAP_ENTRY(n, struct binding, by_aor));
	}
	map_free(&t->by_aor);
	groups_free(&t->by_flow);
	mem_free(t);
}
