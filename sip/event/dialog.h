#ifndef SIP_EVENT_DIALOG_H
#define SIP_EVENT_DIALOG_H

#include "sip/message/msg.h"

/*
 * A dialog, RFC 3261 12, and what requests of ours in it look like. A notifier makes one from a SUBSCRIBE; a subscriber
 * makes one before its SUBSCRIBE, and the first NOTIFY completes it (RFC 6665 4.4.1). A request outside of any dialog
 * is the first request of one that is never completed.
 */
struct dialog {
	char *call_id, *local_tag, *remote_tag; /* one allocation each, owned; remote_tag NULL: not complete */
	char *local; /* From of our requests with our tag; a notifier's is To of the SUBSCRIBE octet for octet (T-05) */
	char *remote;  /* To of our requests */
	char *target;  /* Request-URI of our requests: the peer's Contact once it is known */
	char *contact; /* our Contact URI, without brackets; NULL: requests carry none */
	char *routes;  /* values of Record-Route in order, comma-separated; "" = none */
	uint32_t local_cseq, remote_cseq;
};

/*
 * dialog_is_secure: must our Contact be a sips URI, because the Request-URI, the topmost Record-Route, or without one
 * the Contact is (RFC 3261 12.1.1)?
 */
bool dialog_is_secure(const struct sip_msg *m);

/*
 * dialog_start: from a request without To tag; contact is ours. ERR_NOTFOUND: no Contact; ERR_SYNTAX: Contact or
 * Record-Route cannot be used; ERR_LIMIT: more than SIP_DIALOG_MAX; *why is a reason phrase. dialog_drop frees what *d
 * owns.
 */
MUST_USE enum err dialog_start(struct dialog *d, const struct sip_msg *m, struct slice local_tag, struct slice contact,
			       const char **why);
void dialog_drop(struct dialog *d);

/*
 * dialog_open: of a request that we send first: from us, the URI local, to the URI remote, at the Request-URI target; a
 * new Call-ID and local tag; no routes. dialog_complete: by the first request of the peer in it, whose To tag is ours.
 * ERR_NOTFOUND, ERR_SYNTAX as dialog_start.
 */
void dialog_open(struct dialog *d, struct slice local, struct slice remote, struct slice target);
MUST_USE enum err dialog_complete(struct dialog *d, const struct sip_msg *m, const char **why);

/* dialog_key: appends what identifies the dialog: Call-ID, local tag, remote tag. */
void dialog_key(struct slice call_id, struct slice local_tag, struct slice remote_tag, struct buf *out);

/* dialog_refresh: target and remote CSeq of a later request. ERR_EXISTS: its CSeq is not higher (answer 500). */
MUST_USE enum err dialog_refresh(struct dialog *d, const struct sip_msg *m, const char **why);

/* dialog_next_hop: the URI that decides where requests go: first route, or target. */
MUST_USE enum err dialog_next_hop(const struct dialog *d, struct uri *out);

/* dialog_request: appends start line, Via (sent_by, branch), Max-Forwards, routes, From, To, Call-ID, CSeq, Contact. */
void dialog_request(const struct dialog *d, const char *method, const char *proto, const char *sent_by,
		    struct slice branch, struct buf *out);

#endif
