#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "sip/transport/stream_private.h"

/* What comes in by a connection, and the end of it. */

#define CLOSED_BY_PEER "closed by the peer"

void stream_deliver(struct stream *s)
{
	size_t used;

	if (s->state != STREAM_OPEN || s->in.n == 0)
		return;
	used = s->user->data(s->arg, s, buf_slice(&s->in));
	if (used >= s->in.n) {
		buf_free(&s->in);
		s->begun_ms = 0;
		if (s->state == STREAM_OPEN)
			stream_arm(s); /* the idle limit may be shorter than the one that ran */
		return;
	}
	buf_drop(&s->in, used);
	/* The rest belongs to a new message, which began with the octets that came last. */
	if (s->begun_ms == 0 || used > 0)
		s->begun_ms = s->active_ms;
	if (s->state == STREAM_OPEN)
		stream_arm(s);
}

bool stream_pump_tls(struct stream *s)
{
	for (;;) {
		enum err e = tls_read(s->tls, &s->in, SCRATCH);

		stream_take_records(s);
		if (e == ERR_AGAIN)
			return true;
		if (e != ERR_OK) {
			stream_deliver(s);
			stream_close(s, e == ERR_CLOSED ? CLOSED_BY_PEER : tls_reason(s->tls));
			return false;
		}
	}
}

static void on_octets(struct stream *s, struct slice octets)
{
	stream_touch(s);
	s->heard = true;
	if (s->tls == NULL) {
		buf_add(&s->in, octets);
	} else {
		tls_input(s->tls, octets);
		/* The worker reads these records; may_read keeps others away until it is done. */
		if (s->state == STREAM_HANDSHAKE) {
			stream_handshake(s);
			return;
		}
		if (!stream_pump_tls(s))
			return;
	}
	stream_deliver(s);
}

/* on_finished: the peer sends nothing more. What is partly there will never be whole. */
static void on_finished(struct stream *s)
{
	if (s->tls != NULL || s->state != STREAM_OPEN || s->owed == 0) {
		stream_close(s, CLOSED_BY_PEER);
		return;
	}
	s->finished = true;
	s->begun_ms = 0;
	buf_wipe(&s->in);
	if (s->user->finished != NULL)
		s->user->finished(s->arg, s);
	stream_want(s);
}

void stream_owe(struct stream *s, int change)
{
	s->owed += change;
	if (s->finished && s->owed == 0)
		stream_close(s, CLOSED_BY_PEER);
}

void stream_readable(struct stream *s)
{
	char *scratch = s->all->scratch;

	for (int i = 0; i < READS_A_TURN && stream_may_read(s); i++) {
		ssize_t n = recv(s->fd, scratch, SCRATCH, 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		if (n == 0) {
			on_finished(s);
			break;
		}
		if (n < 0) {
			stream_close(s, strerror(errno));
			break;
		}
		on_octets(s, slice_of(scratch, (size_t)n));
		mem_wipe(scratch, (size_t)n);
		if ((size_t)n < SCRATCH)
			break;
	}
}
