#ifndef SIP_TRANSPORT_STREAM_PRIVATE_H
#define SIP_TRANSPORT_STREAM_PRIVATE_H

#include "core/list.h"
#include "core/map.h"
#include "core/rate.h"
#include "sip/transport/stream.h"

/*
 * What stream.c (life, input, output), stream_time.c (limits), stream_tls.c (handshakes) and stream_listen.c (new
 * connections) share. Nobody else includes this.
 */

#define SCRATCH 16384     /* octets of one read */
#define OUT_HIGH 65536    /* octets that wait for the peer; with more nothing is read that would be answered */
#define READS_A_TURN 4    /* reads of one connection before the others get their turn */
#define ACCEPTS_A_TURN 64 /* the same for a listener */
#define LISTENERS_MAX 16
#define CLOSE_LINGER_MS 5000    /* for the last octets of a connection that is being closed */
#define STREAM_EVERYBODY S("*") /* the one key of rates that count all sources together */
#define ACCEPT_PAUSE_MS 1000    /* when the process is out of file descriptors */

enum stream_state {
	STREAM_CONNECTING, /* TCP is not there yet */
	STREAM_HANDSHAKE,  /* TLS is not there yet */
	STREAM_OPEN,
	STREAM_CLOSING, /* what waits is sent, nothing is read */
	STREAM_OVER,    /* closed() was called; only a worker may still hold tls */
};

struct stream_source {
	struct map_node node;
	unsigned count;
	char key[16];
};

struct stream {
	struct work_job job; /* the handshake step; while busy it and tls are a worker's */
	struct map_node by_id;
	uint64_t id;
	struct streams *all;
	struct list_node by_activity;
	const struct stream_user *user;
	void *arg, *context;
	struct stream_source *source;
	struct io *io;
	struct timer *timer;
	struct tls *tls;  /* NULL on plain TCP */
	struct buf in;    /* plain octets not used up */
	struct buf out;   /* octets for the socket */
	struct buf early; /* plain octets given before the handshake was done */
	struct peer remote, local;
	int64_t created_ms, active_ms, begun_ms; /* begun: when the message that is coming in began */
	int64_t armed_ms;                        /* when the timer will look */
	enum err result;                         /* of the handshake step */
	enum stream_state state;
	int fd;
	int kept, kept_for_users; /* the second is part of the first */
	bool server, busy, had_message, ending;
	bool heard; /* the peer has sent something */
	char why[96];
};

struct stream_listener {
	struct streams *all;
	struct io *io;
	struct timer *pause;
	int fd;
	struct tls_config *config;
	const struct stream_user *user;
	void *arg;
};

struct streams {
	struct loop *loop;
	struct work *work;
	struct stream_limits limits;
	struct map by_id, sources;
	struct list by_activity; /* all connections, the one that was silent longest first */
	struct stream_listener listeners[LISTENERS_MAX];
	unsigned listener_count, tls_slots, next_slot;
	uint64_t next_id;
	struct rate *handshakes, *handshakes_per_source;
	struct rate *rsa_failures; /* by source */
	struct rate *rsa_failures_all;
	char scratch[SCRATCH];
};

/* stream.c: a new connection in the tables, its state STREAM_CONNECTING; its first octets or its end come by the loop.
 */
struct stream *stream_add(struct streams *all, int fd, const struct peer *remote, const struct stream_user *user,
			  void *arg);
void stream_destroy(struct stream *s); /* frees it; no worker may hold it */
void stream_opened(struct stream *s);  /* usable from now on */
void stream_want(struct stream *s);    /* watches for what the state needs */
void stream_flush(struct stream *s);
void stream_take_records(struct stream *s); /* what TLS made goes to the socket's buffer */
unsigned stream_next_slot(struct streams *all);

void stream_finish(void *arg); /* tells the user that it is over, if nobody did; frees it unless a worker holds it */

/* stream_time.c: the order of by_activity, and the timer, which looks no later than the deadline of the state. */
void stream_touch(struct stream *s); /* the peer did something */
void stream_arm(struct stream *s);
void stream_on_timer(void *arg);

/* stream_tls.c: the next step of the handshake goes to a worker. */
void stream_handshake(struct stream *s);

#endif
