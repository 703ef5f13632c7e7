#include "sip/transport/stream_private.h"

/*
 * How long connections may be silent or slow, and which one was silent longest.
 *
 *   CONNECTING, HANDSHAKE   handshake_ms from the beginning
 *   OPEN                    message_ms from the first octet of a message that is not complete;
 *                           else first_ms from the beginning (accepted connections before their first message);
 *                           else idle_ms, or kept_idle_ms with a task, from the last octet in or out; idle_ms for
 *                           what is owed to a peer that has closed its side; no limit with a task if kept_idle_ms is 0
 *   CLOSING                 CLOSE_LINGER_MS from stream_close
 */

#define LOOK_MS (24 * 3600 * 1000) /* a timer has to run until some time; it is armed again then */

void stream_touch(struct stream *s)
{
	s->active_ms = loop_now_ms(s->all->loop);
	if (!list_is_last(&s->all->by_activity, &s->by_activity)) {
		list_remove(&s->by_activity);
		list_add(&s->all->by_activity, &s->by_activity);
	}
}

static int64_t deadline(const struct stream *s)
{
	const struct stream_limits *l = &s->all->limits;

	switch (s->state) {
	case STREAM_CONNECTING:
	case STREAM_HANDSHAKE:
		return s->created_ms + l->handshake_ms;
	case STREAM_CLOSING:
	case STREAM_OVER:
		return s->active_ms + CLOSE_LINGER_MS;
	case STREAM_OPEN:
		break;
	}
	if (s->begun_ms != 0)
		return s->begun_ms + l->message_ms;
	if (s->server && !s->had_message)
		return s->created_ms + l->first_ms;
	if (s->kept == 0 || s->finished)
		return s->active_ms + l->idle_ms;
	return l->kept_idle_ms != 0 ? s->active_ms + l->kept_idle_ms : loop_now_ms(s->all->loop) + LOOK_MS;
}

/*
 * stream_arm: moves the timer only when it would fire too late. When it fires too early it arms itself again. So a busy
 * connection does not restart its timer with every octet.
 */
void stream_arm(struct stream *s)
{
	int64_t at = deadline(s), now = loop_now_ms(s->all->loop);

	if (timer_running(s->timer) && s->armed_ms <= at)
		return;
	s->armed_ms = at;
	timer_start(s->timer, at > now ? (uint32_t)(at - now) : 0);
}

static const char *late(const struct stream *s)
{
	if (s->state == STREAM_CONNECTING)
		return "connecting took too long";
	if (s->state == STREAM_HANDSHAKE)
		return "the TLS handshake took too long";
	return s->begun_ms != 0 || !s->had_message ? "a message took too long" : "idle for too long";
}

void stream_on_timer(void *arg)
{
	struct stream *s = arg;

	if (deadline(s) > loop_now_ms(s->all->loop))
		stream_arm(s);
	else if (s->state != STREAM_CLOSING)
		stream_close(s, late(s));
	else if (!s->ending)
		stream_finish(s);
}
