#ifndef SIP_SERVICE_DIALOG_H
#define SIP_SERVICE_DIALOG_H

#include "sip/message/msg.h"

/* A dialog as its UAS, RFC 3261 12: made by a request with a 2xx, then used to send requests the other way. */
struct dialog {
	char *call_id, *local_tag, *remote_tag; /* one allocation each, owned */
	char *local;   /* From of our requests: To of the request with our tag, octet for octet (T-05) */
	char *remote;  /* To of our requests: From of the request */
	char *target;  /* the peer's Contact URI; Request-URI of our requests */
	char *contact; /* our Contact URI, without brackets */
	char *routes;  /* values of Record-Route in order, comma-separated; "" = none */
	uint32_t local_cseq, remote_cseq;
};

/*
 * dialog_start: from a request without To tag; contact is ours. ERR_NOTFOUND: no Contact; ERR_SYNTAX: Contact or
 * Record-Route cannot be used; *why is a reason phrase. dialog_drop frees what *d owns.
 */
MUST_USE enum err dialog_start(struct dialog *d, const struct sip_msg *m, struct slice local_tag, struct slice contact,
			       const char **why);
void dialog_drop(struct dialog *d);

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
