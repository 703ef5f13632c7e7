#ifndef SIP_SERVER_CONTROL_H
#define SIP_SERVER_CONTROL_H

#include "core/loop.h"
#include "sip/config.h"

/*
 * The control socket "control" in the store's folder (0700, so only its owner gets there): one line "status", "status
 * json", "reload", "users" or "revoke AOR", answered by "ok" or "error" and text, then closed.
 */
struct control;

struct asker; /* a connection that has asked */

/* One line without its end. It is answered by one control_answer, at once or later. */
typedef void (*control_fn)(void *arg, struct asker *asker, struct slice line);

MUST_USE bool control_open(struct loop *l, int dirfd, const struct config *c, control_fn fn, void *arg,
			   struct control **out, struct buf *why);
void control_answer(struct asker *asker, bool ok, const char *text);

/* control_free: when nobody is going to be answered any more. NULL is ignored. */
void control_free(struct control *c);

/* control_ask: the other end, for verbs. false and *answer says why: no server runs, or it said error. */
MUST_USE bool control_ask(const struct config *c, const char *line, struct buf *answer, bool *running);

#endif
