#ifndef SIP_TRANSPORT_STREAM_PRIVATE_H
#define SIP_TRANSPORT_STREAM_PRIVATE_H

#include "core/list.h"
#include "core/map.h"
#include "core/rate.h"
#include "sip/transport/stream.h"

/*
 * What stream.c (life, output), stream_input.c, stream_time.c (limits), stream_tls.c (handshakes) and stream_listen.c
 * (new connections) share; nobody else includes it.
 */

#define SCRATCH 16384 /* octets of one read */
/* Octets that wait for the peer; beyond it nothing more is read from it. What others send to it does not reach this. */
#define OUT_HIGH (2 * STREAM_OFFER_MAX)
#define READS_A_TURN 4    /* reads of one connection before the others have their turn */
#define ACCEPTS_A_TURN 64 /* connections that a listener accepts before others have their turn */
#define LISTENERS_MAX 16
#define CLOSE_LINGER_MS 5000    /* milliseconds for the last octets of a connection that is being closed */
#define STREAM_EVERYBODY S("*") /* the key of rates that count all sources together */
#define ACCEPT_PAUSE_MS 1000    /* milliseconds without accepting when the process is out of descriptors */

enum stream_state {
	STREAM_CONNECTING, /* connect has not ended */
	STREAM_HANDSHAKE,  /* the TLS handshake is going on */
	STREAM_OPEN,       /* with finished: only for output */
	STREAM_CLOSING,    /* what waits is sent; nothing is read */
	STREAM_OVER,       /* closed() was called and the socket is closed; only a worker may still hold tls */
};

struct stream_source {
	struct map_node node;
	unsigned count;
	char key[16];
};

struct stream {
	struct work_job
		job; /* the step of the handshake; must be first. While busy is set, it and tls belong to a worker */
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
	struct buf in;    /* plain octets that the user has not used up */
	struct buf out;   /* octets for the socket */
	struct buf early; /* plain octets that were sent before the handshake was done */
	struct peer remote, local;
	int64_t created_ms, active_ms, begun_ms; /* begun: when the message that is coming in began; 0 = none is */
	int64_t armed_ms;                        /* the time for which the timer runs */
	enum err result;                         /* of the handshake step */
	enum stream_state state;
	int fd;
	int owed;                 /* stream_owe */
	int kept, kept_for_users; /* tasks (stream_keep); the second counts those of users and is part of the first */
	bool server, busy, had_message, ending;
	bool heard;    /* the peer has sent something */
	bool finished; /* the peer has closed its side; it is owed answers */
	bool of_user;  /* stream_of_user */
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
	struct list by_activity; /* all connections, the one silent longest first */
	struct stream_listener listeners[LISTENERS_MAX];
	unsigned listener_count, tls_slots, next_slot;
	uint64_t next_id;
	struct rate *handshakes, *handshakes_per_source;
	struct rate *rsa_failures; /* by source */
	struct rate *rsa_failures_all;
	char scratch[SCRATCH];
};

/* stream.c. stream_add: a new connection in the tables, CONNECTING; its first octets or its end come by the loop. */
struct stream *stream_add(struct streams *all, int fd, const struct peer *remote, const struct stream_user *user,
			  void *arg);
void stream_destroy(struct stream *s); /* frees the memory; no worker may hold it */
void stream_opened(struct stream *s);  /* the connection is usable from now on */
void stream_want(struct stream *s);    /* watches the socket for what the state needs */
bool stream_may_read(const struct stream *s);
void stream_flush(struct stream *s);
void stream_take_records(struct stream *s); /* moves the records that TLS has made to out */
unsigned stream_next_slot(struct streams *all);

void stream_finish(
	void *arg); /* tells the user that it is over, unless that was done; frees it, unless a worker holds it */

/*
 * stream_input.c. stream_readable: reads READS_A_TURN times at most, so that a fast peer does not keep the others
 * waiting. stream_pump_tls: decrypts what came; false: the connection is over; octets before the error were delivered.
 * stream_deliver: gives the user what is buffered, and sets the time limit of the message that is only partly there.
 */
void stream_readable(struct stream *s);
bool stream_pump_tls(struct stream *s);
void stream_deliver(struct stream *s);

/* stream_time.c. The order of by_activity, and the timer, which fires no later than the deadline of the state. */
void stream_touch(struct stream *s); /* something was received or sent: moves s to the end of by_activity */
void stream_arm(struct stream *s);
void stream_on_timer(void *arg);

/* stream_tls.c. Gives the next step of the handshake to a worker. */
void stream_handshake(struct stream *s);

#endif
