#ifndef SIP_UA_OWN_H
#define SIP_UA_OWN_H

#include "sip/credential/publish_body.h"
#include "sip/ua/fetcher.h"

/*
 * The user's own certificate and private key, as another device published them (draft 7.6, 7.11): fetched, checked, and
 * kept beside the account file. vouch credential does that when it is asked, vouch publish after a 412 (UAK-23).
 */
struct own {
	struct fetcher f;    /* must be first: judge gets a pointer to it */
	struct buf crt, key; /* paths of the two files */
	bool prompted;       /* the pass phrase was asked for once already */

	/*
	 * After a 412. over is called instead of the end of the verb. replaces: what is there may be replaced: nothing,
	 * or nothing that any device could use. etag: its entity-tag, for the PUBLISH that does it.
	 */
	void (*over)(void *arg, int code);
	void *arg; /* for over */
	bool replaces;
	struct buf etag;
	const char *given_crt, *given_key; /* files of the user that are not written over; NULL: none */
};

/*
 * own_start: k->f.c is open, and all behind crt and key is set; the rest is zero. Subscribes; what comes of it is told
 * to over, or ends the agent. own_run: runs the agent, too, and returns the exit code. own_free: not k->f.c.
 */
void own_start(struct own *k);
int own_run(struct own *k);
void own_free(struct own *k);

#endif
