#ifndef SIP_TRANSACTION_OVERLOAD_H
#define SIP_TRANSACTION_OVERLOAD_H

#include <stdbool.h>

#include "core/slice.h"

/*
 * Notices that there is more to do than can be done, and chooses what is refused (G13).
 *
 * The measure is how long datagrams have waited in the queue of the system before they are read, as CoDel (RFC 8289)
 * has it. While even the shortest wait of an interval is above the target, more is refused from interval to interval.
 * Once it is below, less is refused again.
 *
 * What is refused first, each class only when the one before is refused as far as it may be:
 *
 *   1. strangers: new requests without credentials
 *   2. new work of users
 *   3. REGISTER and PUBLISH of users, which keep known work alive
 *   4. what belongs to a dialog or ends work
 *   never: responses
 *
 * The class is told by a glance at the octets, because parsing all that is refused would leave no time for the rest.
 * Anybody can write something that looks like credentials or like a dialog. So of all classes but strangers a share is
 * always let in, whatever floods. A retransmission of an admitted request may be refused, too; the next one will be let
 * in.
 *
 * Most of what is refused is dropped, and some is answered 503: ten times too many requests must not make ten times too
 * many answers.
 */
#define OVERLOAD_TARGET_MS 20
#define OVERLOAD_INTERVAL_MS 100
#define OVERLOAD_ANSWERS 50 /* 503s in one interval; the rest of what is refused is dropped */

enum overload_class {
	OVERLOAD_STRANGERS, /* new, without credentials */
	OVERLOAD_NEW,       /* new, with credentials: INVITE, MESSAGE, SUBSCRIBE and others */
	OVERLOAD_KNOWN,     /* REGISTER and PUBLISH with credentials */
	OVERLOAD_DIALOG,    /* ACK, BYE, CANCEL, PRACK and all with a To tag */
	OVERLOAD_NEVER      /* responses */
};

#define OVERLOAD_FULL 1000 /* thousandths: everything of a class is refused */
#define OVERLOAD_USERS 800 /* thousandths: the most that is refused of any class but strangers */
#define OVERLOAD_LEAST 4   /* messages in an interval; the waits of fewer say nothing about a queue */
#define OVERLOAD_MAX (OVERLOAD_FULL + OVERLOAD_DIALOG * OVERLOAD_USERS)

struct overload {
	int64_t since_ms;              /* when this interval began */
	uint32_t least_ms;             /* the shortest wait in it; UINT32_MAX: nothing has come */
	unsigned seen;                 /* messages in it whose wait is known */
	unsigned level;                /* 0 to OVERLOAD_MAX: the shares of the classes one after the other */
	unsigned answers;              /* 503s in this interval */
	unsigned owed[OVERLOAD_NEVER]; /* thousandths of a request of each class that are still to be refused */
};

/*
 * overload_note: a message was read that had waited so long (UINT32_MAX: unknown). true: refusing has begun or ended
 * just now; level tells which.
 */
bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms);

/* overload_class: the class of a message as it is on the wire; what fits no other class is a stranger. */
enum overload_class overload_class(struct slice octets);

/* overload_refuses: is this request of the class one that is refused? Counts it. */
bool overload_refuses(struct overload *o, enum overload_class c);

/* overload_answers: may it be answered 503? Counts the answer. */
bool overload_answers(struct overload *o);

#endif
