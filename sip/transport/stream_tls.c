#include "core/log.h"
#include "sip/transport/stream_private.h"

/*
 * Handshakes cost milliseconds of RSA, so each step runs in a worker. While busy is set, s->tls belongs to the worker
 * and the loop neither reads nor writes it. The connection may end meanwhile (STREAM_OVER); step_done then frees it.
 */

static void handshake_failed(struct stream *s)
{
	struct streams *all = s->all;

	/* An attacker on static RSA makes handshakes that fail: count them, see stream_limits. */
	if (s->server && tls_is_static_rsa(s->tls)) {
		rate_take(all->rsa_failures, peer_prefix(&s->remote), loop_now_ms(all->loop));
		rate_take(all->rsa_failures_all, STREAM_EVERYBODY, loop_now_ms(all->loop));
	}
	stream_close(s, tls_reason(s->tls));
}

static void step_done(struct work_job *job)
{
	struct stream *s = (struct stream *)(void *)job;

	s->busy = false;
	if (s->state == STREAM_OVER) {
		stream_destroy(s);
		return;
	}
	/* Its end is under way; alerts that TLS made now are not sent. */
	if (s->state == STREAM_CLOSING)
		return;
	stream_take_records(s);
	if (s->result == ERR_OK)
		stream_opened(s);
	else if (s->result != ERR_AGAIN)
		handshake_failed(s);
	if (s->state == STREAM_OPEN || s->state == STREAM_HANDSHAKE)
		stream_flush(s);
}

static void step_run(struct work_job *job, unsigned worker)
{
	struct stream *s = (struct stream *)(void *)job;

	(void)worker;
	s->result = tls_handshake(s->tls);
}

void stream_handshake(struct stream *s)
{
	s->job = (struct work_job){.run = step_run, .done = step_done};
	if (work_submit(s->all->work, &s->job) != ERR_OK) {
		stream_close(s, "too many TLS handshakes at once");
		return;
	}
	s->busy = true;
	stream_want(s);
}
