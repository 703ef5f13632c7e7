#ifndef SIP_TRANSPORT_TRANSPORT_H
#define SIP_TRANSPORT_TRANSPORT_H

#include "sip/message/msg.h"
#include "sip/transport/flow.h"
#include "sip/transport/listeners.h"
#include "sip/transport/stream.h"

/*
 * SIP messages over UDP, TCP and TLS, RFC 3261 18. Whole messages go up by callbacks; octets go down to a flow.
 * Scenario tests link another file with the same functions in place of transport.c.
 */
struct transport;

enum transport_admit {
	TRANSPORT_ADMIT,
	TRANSPORT_REFUSE, /* answer it with 503 */
	TRANSPORT_DROP    /* not even an answer; on a connection the same as TRANSPORT_REFUSE */
};

struct transport_user {
	/*
	 * Is there time for this message? Asked before it is parsed, since parsing is what an overloaded server saves.
	 * waited_ms: how long a datagram lay in the queue of the system; UINT32_MAX: unknown (a connection).
	 */
	enum transport_admit (*admit)(void *arg, struct slice octets, uint32_t waited_ms);
	/* One message. The reference is dropped behind the call: msg_ref to keep the message. */
	void (*on_message)(void *arg, const struct flow *from, struct sip_msg *m);
	/* A datagram reached nobody, as udp_refused_fn says. */
	void (*on_refused)(void *arg, const struct peer *remote, struct slice sent);
	/* A connection is over, or could not be made. */
	void (*on_closed)(void *arg, uint64_t flow_id, const char *why);
};

/*
 * transport_new: max_message is limits.message. streams are borrowed and shared with other users; user must outlive the
 * transport.
 */
struct transport *transport_new(struct loop *l, struct streams *streams, size_t max_message,
				const struct transport_user *user, void *arg);
void transport_free(struct transport *t);

/* transport_trace: fn sees every message as it is on the wire, both ways, with all secrets in it. */
typedef void (*transport_trace_fn)(void *arg, const struct flow *f, bool sent, struct slice octets);
void transport_trace(struct transport *t, transport_trace_fn fn, void *arg);

/*
 * transport_listen: listens on *at (port 0: any; *at gets the real one). advertised: see listeners_advertise. config is
 * for PROTO_TLS only. ERR_LIMIT: too many listeners. ERR_IO, errno is set.
 */
MUST_USE enum err transport_listen(struct transport *t, enum proto proto, struct peer *at, struct slice advertised,
				   struct tls_config *config);

/* transport_tls: TLS connections accepted from now on use this configuration. */
void transport_tls(struct transport *t, struct tls_config *config);

/*
 * transport_send: sends octets to a flow. ERR_CLOSED: the connection is gone. ERR_NOTFOUND: no UDP listener of the
 * family. ERR_IO, ERR_LIMIT, ERR_CRYPTO as udp_send and stream_send.
 */
MUST_USE enum err transport_send(struct transport *t, const struct flow *to, struct slice octets);

/*
 * transport_udp: the flow by which a listening socket reaches remote; near: see listeners_udp. ERR_NOTFOUND: there is
 * no UDP listener of its family.
 */
MUST_USE enum err transport_udp(struct transport *t, const struct peer *remote, const struct flow *near,
				struct flow *out);

/*
 * transport_connect: a connection to remote that serves name (for TLS its certificate must have it): an open one that
 * was made from here to the same place under the same name, or a new one. Never a connection for another name, because
 * its certificate was not checked for this one. Octets may be sent at once; a failure is told by on_closed. Errors of
 * stream_connect.
 */
MUST_USE enum err transport_connect(struct transport *t, enum proto proto, const struct peer *remote,
				    struct tls_config *config, struct slice name, struct flow *out);

/*
 * transport_flow: completes a flow of flow_unpack by the addresses of its connection. ERR_CLOSED: the connection is
 * gone. A UDP flow is complete already.
 */
MUST_USE enum err transport_flow(struct transport *t, struct flow *f);

/* transport_takes: may n octets of somebody else go to this peer (stream_takes)? Over UDP always. */
bool transport_takes(struct transport *t, const struct flow *f, size_t n);

/*
 * transport_peer_certificate: DER of the certificate that the peer of a TLS connection has shown and proven;
 * SLICE_NONE: none. Lies in the connection.
 */
struct slice transport_peer_certificate(struct transport *t, const struct flow *f);

/* transport_waits: is the connection still being made, so that nothing of what was sent has left? */
bool transport_waits(struct transport *t, const struct flow *f);

bool transport_alive(struct transport *t, const struct flow *f);                       /* a UDP flow always is */
void transport_keep(struct transport *t, const struct flow *f, bool user, int change); /* stream_keep by flow */
void transport_owe(struct transport *t, const struct flow *f, int change);             /* stream_owe by flow */
void transport_of_user(struct transport *t, const struct flow *f);                     /* stream_of_user by flow */
void transport_close(struct transport *t, const struct flow *f, const char *why);

/*
 * transport_is_own: listeners_is_own: to notice what was meant for us, and requests that would come back.
 * transport_sent_by: listeners_name: for Via, Record-Route and Contact.
 */
bool transport_is_own(struct transport *t, const struct peer *local, struct slice host, uint32_t port);
struct listener_name transport_sent_by(struct transport *t, const struct flow *f);

#endif
