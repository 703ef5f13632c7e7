#ifndef SIP_SERVER_CONTROL_H
#define SIP_SERVER_CONTROL_H

#include "sip/server/serve.h"

/*
 * The control socket "control" in the store's folder (0700, so only its owner gets there): one line "status", "status
 * json", "reload", "users" or "revoke AOR", answered by "ok" or "error" and text, then closed.
 */
struct control;

MUST_USE bool control_open(struct app *app, int dirfd, const struct config *c, struct control **out, struct buf *why);
void control_free(struct control *c);

/* control_ask: the other end, for verbs. false and *answer says why: no server runs, or it said error. */
MUST_USE bool control_ask(const struct config *c, const char *line, struct buf *answer, bool *running);

#endif
