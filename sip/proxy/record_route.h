#ifndef SIP_PROXY_RECORD_ROUTE_H
#define SIP_PROXY_RECORD_ROUTE_H

#include "crypto/hash.h"
#include "sip/message/msg.h"
#include "sip/transport/flow.h"

/*
 * The user part of our Record-Route URI: a token that says how both ends of a dialog are reached (RFC 5626 5.1), under
 * which names they speak, and when it began. A MAC binds it to the Call-ID and the tag of the caller. The name of a
 * local end counts with the secret generation of its user (store/user.h), so that the token ends with the password.
 *
 * A request that brings a token back proves that its dialog was let through once, and gets no further than to the two
 * ends named in the token. A To tag or a Route without a token opens nothing (G16).
 */
struct record_route_keys {
	struct hmac_key *mac; /* derived from the master key: calls over UDP go on after a restart */
	uint64_t run;         /* random, of this run of the program: ids of connections mean nothing in the next one */
};

/*
 * Each end of a dialog is local (a user of ours) or remote. A local end is reached on its own flow. If that connection
 * was opened by us only to deliver the INVITE, the end is reached by its address instead, because such a connection may
 * close before the dialog ends.
 */
struct dialog_end {
	bool local, by_address;
	struct flow flow;
};

struct dialog_ends {
	struct dialog_end caller, callee;
};

/* What is known of the names in a message, and of the time. */
struct dialog_now {
	uint64_t from_secret, to_secret; /* the secret generations of the users that From and To name; 0: none */
	int64_t wall_s, mono_s;          /* seconds since 1970; of the monotonic clock */
};

/* What the first request of the dialog was. */
enum dialog_kind { DIALOG_OTHER, DIALOG_CALL, DIALOG_SUBSCRIPTION };

/* record_route_keys: derived from master, the master key of the store. record_route_keys_drop: *k may be zero. */
void record_route_keys(struct slice master, struct record_route_keys *out);
void record_route_keys_drop(struct record_route_keys *k);

/*
 * record_route_token: appends the token of the dialog that the request m begins: at most RECORD_ROUTE_TOKEN unreserved
 * characters. id: what record_route_read will give as the id of the dialog. record_route_size: how many characters
 * they will be; nothing is computed.
 */
#define RECORD_ROUTE_TOKEN 150
#define RECORD_ROUTE_ID 12
size_t record_route_size(const struct dialog_ends *ends);
void record_route_token(const struct record_route_keys *k, const struct dialog_ends *ends, const struct sip_msg *m,
			const struct dialog_now *now, struct buf *out, uint8_t id[RECORD_ROUTE_ID]);

/*
 * record_route_read: user is the user part of a Route or Request-URI of m. false: it is no token of this dialog, or the
 * user that m goes to has another password since, or is gone; m without To tag belongs to no dialog. Flows in *out are
 * as flow_unpack or flow_unpack_remote give them: connections are to be looked up (transport_flow).
 */
struct dialog_way {
	struct dialog_ends ends;
	bool from_caller; /* m goes from the caller to the callee, by its From tag */
	bool same_names;  /* From and To have the AORs, and their users the passwords, that the dialog began with */
	enum dialog_kind kind;
	bool same_package; /* Event of m has the package of the SUBSCRIBE or REFER that the dialog began with */
	int64_t age_s;     /* since the dialog began */
	uint8_t id[RECORD_ROUTE_ID]; /* of the dialog */
};
MUST_USE bool record_route_read(const struct record_route_keys *k, struct slice user, const struct sip_msg *m,
				const struct dialog_now *now, struct dialog_way *out);

#endif
