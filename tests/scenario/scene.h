#ifndef TESTS_SCENARIO_SCENE_H
#define TESTS_SCENARIO_SCENE_H

#include "tests/test.h"

#include "tests/scenario/world.h"

/* alice, who publishes, and those who watch her. */

#define DAY_S 86400
#define SECONDS(n) ((n)*INT64_C(1000))

struct scene {
	struct world *w;
	struct flow own;    /* alice's TLS connection */
	struct flow stream; /* a watcher's TCP connection */
	char etag[64];
};

static inline int begin(void **state)
{
	static struct scene s;

	s.w = world_new(NULL);
	s.own = fake_stream(s.w->site->transport, PROTO_TLS, "192.0.2.9:41000");
	s.stream = fake_stream(s.w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	*state = &s;
	return 0;
}

static inline int end(void **state)
{
	struct scene *s = *state;

	world_free(s->w);
	return 0;
}

/* alice publishes a new certificate that is valid for a day. */
static inline void change(struct scene *s)
{
	world_set(s->w, &s->own, "alice", DAY_S, s->etag);
}

static inline void pass(struct scene *s, int64_t ms)
{
	fake_advance(s->w->loop, ms);
}

static inline void assert_quiet(struct watcher *t)
{
	assert_null(notified(t));
}

/* The next NOTIFY is there, has the newest state, and is answered 200. */
static inline void assert_told(struct scene *s, struct watcher *t)
{
	struct sip_msg *m = notified_ok(t);
	char event[128];

	assert_non_null(m);
	snprintf(event, sizeof(event), "%s;etag=%s", t->event, s->etag);
	assert_true(has(m, HDR_EVENT, event));
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, "active;expires="));
	assert_true(m->body.n > 0);
	msg_unref(m);
}

/* The next NOTIFY is there, says this state, has no body, and is answered 200. */
static inline void assert_empty(struct watcher *t, const char *state)
{
	struct sip_msg *m = notified_ok(t);

	assert_non_null(m);
	assert_true(has(m, HDR_SUBSCRIPTION_STATE, state));
	assert_int_equal(m->body.n, 0);
	assert_int_equal(msg_count(m, HDR_CONTENT_TYPE), 0);
	msg_unref(m);
}

static inline struct watcher watching(struct scene *s, const char *event)
{
	bool secret = strcmp(event, "credential") == 0;
	struct watcher t = watcher_of(s->w, secret ? &s->own : &s->stream, "alice", event);
	struct sip_msg *m;

	assert_int_equal(watch(&t, "3600"), 200);
	m = notified_ok(&t);
	assert_non_null(m);
	msg_unref(m);
	return t;
}

static inline unsigned expires_of(const struct sip_msg *m)
{
	struct slice value = msg_value(m, HDR_SUBSCRIPTION_STATE);
	uint32_t n;

	assert_true(slice_starts(value, S("active;expires=")));
	assert_true(slice_u32(slice_sub(value, 15, value.n), UINT32_MAX, &n));
	return n;
}

#endif
