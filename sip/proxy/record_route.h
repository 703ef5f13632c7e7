#ifndef SIP_PROXY_RECORD_ROUTE_H
#define SIP_PROXY_RECORD_ROUTE_H

#include "crypto/hash.h"
#include "sip/message/msg.h"
#include "sip/transport/flow.h"

/*
 * The user part of this proxy's Record-Route URI: which flows or addresses lead to the local ends of the dialog (RFC
 * 5626 5.1), and under which names they speak, under a MAC with the Call-ID and the tag of the caller. Who brings one
 * back proves that the dialog was let through once, and gets no further than to the ends that it names: a To tag and a
 * Route alone open nothing (G16).
 */
struct record_route_keys {
	struct hmac_key *mac; /* lasts over restarts, so that calls over UDP do, too */
	uint64_t run;         /* of this process: connections are numbered anew in the next */
};

/*
 * An end is local, or somewhere else. A local one is reached by its own flow; or at the remote address of flow by any
 * flow, since a connection that was only made to get there, for want of another or for size, may end before the dialog.
 */
struct dialog_end {
	bool local, by_address;
	struct flow flow;
};

struct dialog_ends {
	struct dialog_end caller, callee;
};

/* record_route_keys: out of the master key of the store. record_route_keys_drop: *k may be empty. */
void record_route_keys(struct slice master, struct record_route_keys *out);
void record_route_keys_drop(struct record_route_keys *k);

/*
 * record_route_token: of the dialog that the request m would begin: appends it, at most RECORD_ROUTE_TOKEN octets of
 * unreserved characters.
 */
#define RECORD_ROUTE_TOKEN 140
size_t record_route_size(const struct dialog_ends *ends); /* of that token, without making it */
void record_route_token(const struct record_route_keys *k, const struct dialog_ends *ends, const struct sip_msg *m,
			struct buf *out);

/*
 * record_route_read: user is the user part of a Route of m. false: m is not of this dialog; without a To tag it is of
 * none. Flows are as flow_unpack or flow_unpack_remote give them.
 */
struct dialog_way {
	struct dialog_ends ends;
	bool from_caller; /* by its From tag m goes from the caller to the callee */
	bool same_names;  /* From and To are the AORs with which the dialog began */
};
MUST_USE bool record_route_read(const struct record_route_keys *k, struct slice user, const struct sip_msg *m,
				struct dialog_way *out);

#endif
