#ifndef SIP_SERVER_CONTROL_H
#define SIP_SERVER_CONTROL_H

#include "core/loop.h"
#include "sip/config.h"

/*
 * The control socket: "control" in the folder of the store, whose mode 0700 lets only its owner in. A connection asks
 * one line, "status" (behind it "json" or "subscriptions", or both), "reached", "reload", "users", "create AOR" or
 * "revoke AOR", and gets a line "ok" or "error" and text behind it. Then it is closed.
 */
struct control;

struct asker; /* a connection that has asked something */

/* A line has come, without its end; valid during the call. Answer it by one control_answer, now or later. */
typedef void (*control_fn)(void *arg, struct asker *asker, struct slice line);

/* control_fits: is the path of the socket in the store one that the system takes? false: *why is a sentence. */
MUST_USE bool control_fits(const struct config *c, struct buf *why);

/*
 * control_open: listens in the store of c, whose folder dirfd is borrowed and whose lock is held. fn is called for each
 * line. false: *why is a sentence.
 */
MUST_USE bool control_open(struct loop *l, int dirfd, const struct config *c, control_fn fn, void *arg,
			   struct control **out, struct buf *why);
/* control_answer: sends the answer and closes the connection. asker must not be used any more. */
void control_answer(struct asker *asker, bool ok, const char *text);

/* control_free: closes all connections and removes the socket. No asker may wait for an answer. NULL is ignored. */
void control_free(struct control *c);

/*
 * control_ask: the other end, for verbs: asks the running server one line and appends its text to answer. false: no
 * server runs (*running false), or it said "error", or did not answer; answer says what.
 */
MUST_USE bool control_ask(const struct config *c, const char *line, struct buf *answer, bool *running);

#endif
