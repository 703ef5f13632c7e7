#ifndef SIP_EVENT_DIALOG_H
#define SIP_EVENT_DIALOG_H

#include "sip/message/msg.h"

/*
 * A dialog (RFC 3261 12), and our requests in it. A notifier makes one from a SUBSCRIBE. A subscriber makes one before
 * its SUBSCRIBE, and the first NOTIFY completes it (RFC 6665 4.4.1). A request outside of any dialog is the first
 * request of a dialog that is never completed.
 */
struct dialog {
	char *call_id, *local_tag, *remote_tag; /* one allocation each, owned; remote_tag NULL: not complete */
	char *local; /* From of our requests, with our tag; for a notifier To of the SUBSCRIBE octet for octet (T-05) */
	char *remote;  /* To of our requests */
	char *target;  /* Request-URI of our requests: the peer's Contact once it is known */
	char *contact; /* our Contact URI, without brackets; NULL: requests carry none */
	char *routes;  /* values of Record-Route in their order, separated by commas; "": none */
	uint32_t local_cseq, remote_cseq;
};

/*
 * dialog_is_secure: must our Contact be a sips URI? Yes, if the Request-URI or the topmost Record-Route is one, or
 * without Record-Route the Contact (RFC 3261 12.1.1).
 */
bool dialog_is_secure(const struct sip_msg *m);

/*
 * dialog_start: makes the dialog of a request without To tag that we accept as UAS; contact is our Contact URI. On an
 * error *why is a reason phrase. ERR_NOTFOUND: no Contact. ERR_SYNTAX: Contact, Record-Route or a tag cannot be used.
 * ERR_LIMIT: more than SIP_DIALOG_MAX octets to keep. dialog_drop: frees what *d owns; a zeroed *d is allowed.
 */
MUST_USE enum err dialog_start(struct dialog *d, const struct sip_msg *m, struct slice local_tag, struct slice contact,
			       const char **why);
void dialog_drop(struct dialog *d);

/*
 * dialog_open: makes the dialog of a request that we send: From local, To remote, Request-URI target, a new Call-ID and
 * tag, no routes. dialog_complete: m is the first request of the peer in it, with our tag in To: takes its tag, target
 * and routes. ERR_NOTFOUND, ERR_SYNTAX as dialog_start.
 */
void dialog_open(struct dialog *d, struct slice local, struct slice remote, struct slice target);
MUST_USE enum err dialog_complete(struct dialog *d, const struct sip_msg *m, const char **why);

/* dialog_key: appends what identifies the dialog: Call-ID, local tag, remote tag. */
void dialog_key(struct slice call_id, struct slice local_tag, struct slice remote_tag, struct buf *out);

/*
 * dialog_refresh: takes target and CSeq of a later request of the peer. ERR_EXISTS: its CSeq is not higher (answer
 * 500). ERR_SYNTAX: bad Contact.
 */
MUST_USE enum err dialog_refresh(struct dialog *d, const struct sip_msg *m, const char **why);

/* dialog_next_hop: the URI that says where requests go: the first route, or the target. It lies in d. ERR_SYNTAX. */
MUST_USE enum err dialog_next_hop(const struct dialog *d, struct uri *out);

/*
 * dialog_request: appends start line, Via (sent_by, branch), Max-Forwards, Route, From, To, Call-ID, CSeq (local_cseq)
 * and Contact of a request; the caller adds what follows.
 */
void dialog_request(const struct dialog *d, const char *method, const char *proto, const char *sent_by,
		    struct slice branch, struct buf *out);

#endif
