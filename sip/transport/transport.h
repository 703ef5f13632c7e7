#ifndef SIP_TRANSPORT_TRANSPORT_H
#define SIP_TRANSPORT_TRANSPORT_H

#include "sip/message/msg.h"
#include "sip/transport/flow.h"
#include "sip/transport/stream.h"
#include "sip/transport/udp.h"

/*
 * SIP messages over UDP, TCP and TLS, RFC 3261 18. Whole messages go up; octets go down to a flow. Tests put a fake
 * with the same functions in place of transport.c.
 */
struct transport;

enum transport_admit {
	TRANSPORT_ADMIT,
	TRANSPORT_REFUSE, /* a request, to be answered 503 */
	TRANSPORT_DROP    /* not even that: on a connection the same as TRANSPORT_REFUSE */
};

struct transport_user {
	/*
	 * Is there time for this message? Asked before it is parsed. waited_ms: how long a datagram lay in the system's
	 * queue; UINT32_MAX: nobody knows.
	 */
	enum transport_admit (*admit)(void *arg, struct slice octets, uint32_t waited_ms);
	/* One message; the reference stays the transport's: msg_ref to keep it. */
	void (*on_message)(void *arg, const struct flow *from, struct sip_msg *m);
	/* A datagram reached nobody; remote and sent as udp_refused_fn has them. */
	void (*on_refused)(void *arg, const struct peer *remote, struct slice sent);
	/* A connection is gone, or could not be made. */
	void (*on_closed)(void *arg, uint64_t flow_id, const char *why);
};

/* max_message: octets (limits.message). The streams are the caller's and shared with other users. */
struct transport *transport_new(struct loop *l, struct streams *streams, size_t max_message,
				const struct transport_user *user, void *arg);
void transport_free(struct transport *t);

/* transport_trace: fn sees every message as it is on the wire, both ways, secrets and all. */
typedef void (*transport_trace_fn)(void *arg, const struct flow *f, bool sent, struct slice octets);
void transport_trace(struct transport *t, transport_trace_fn fn, void *arg);

/* transport_listen: *at gets the real port. config for PROTO_TLS only. ERR_IO: errno. ERR_LIMIT: too many. */
MUST_USE enum err transport_listen(struct transport *t, enum proto proto, struct peer *at, struct tls_config *config);

/* transport_tls: TLS listeners use this configuration for new connections. */
void transport_tls(struct transport *t, struct tls_config *config);

/* transport_send: ERR_CLOSED when the connection is gone; ERR_IO; ERR_LIMIT. */
MUST_USE enum err transport_send(struct transport *t, const struct flow *to, struct slice octets);

/* transport_udp: the flow that reaches remote from a listening socket. ERR_NOTFOUND: no UDP listener of its family. */
MUST_USE enum err transport_udp(struct transport *t, const struct peer *remote, struct flow *out);

/*
 * transport_connect: a connection to remote that serves name (TLS: its certificate must have it), an open one when
 * there is one. Octets may be sent at once; failure is told by on_closed.
 */
MUST_USE enum err transport_connect(struct transport *t, enum proto proto, const struct peer *remote,
				    struct tls_config *config, struct slice name, struct flow *out);

/*
 * transport_flow: completes a flow of flow_unpack with the addresses of its connection. ERR_CLOSED: it is gone. UDP: as
 * it is.
 */
MUST_USE enum err transport_flow(struct transport *t, struct flow *f);

bool transport_alive(struct transport *t, const struct flow *f);                       /* UDP: always */
void transport_keep(struct transport *t, const struct flow *f, bool user, int change); /* stream_keep by flow */
void transport_close(struct transport *t, const struct flow *f, const char *why);

/* transport_is_own: does a listener have this port (0: the default of its kind) at the address of local? */
bool transport_is_own(struct transport *t, const struct peer *local, uint32_t port);

/*
 * transport_sent_by: "host:port" under which peers of this flow reach our listener of the same protocol, for Via and
 * Contact. Without a listener: the local end of the flow.
 */
struct peer_text transport_sent_by(struct transport *t, const struct flow *f);

#endif
