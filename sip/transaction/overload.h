#ifndef SIP_TRANSACTION_OVERLOAD_H
#define SIP_TRANSACTION_OVERLOAD_H

#include <stdbool.h>

#include "core/slice.h"

/*
 * Whether there is more to do than can be done, and what is refused then. The measure is how long datagrams have waited
 * in the system's queue before they are read (as CoDel, RFC 8289, has it): while even the shortest wait of an interval
 * is above the target, more is refused from interval to interval, and less again once it is below. First goes what
 * nobody has vouched for, then new work of users, then what keeps known work alive, last what belongs to a dialog or
 * ends work; never responses. It is decided by a glance at the octets: to parse all that is refused would leave no time
 * for what is not. Anybody can write what looks like credentials or like a dialog, so of all but strangers something is
 * always let in, whatever floods. A retransmission of what was let in may be refused, too; the next one will do. Most
 * of what is refused is dropped, some is answered: who asks ten times as much as can be done must not get ten times as
 * many answers.
 */
#define OVERLOAD_TARGET_MS 20
#define OVERLOAD_INTERVAL_MS 100
#define OVERLOAD_ANSWERS 50 /* 503 of each interval; the rest of what is refused is dropped */

enum overload_class {
	OVERLOAD_STRANGERS, /* new, without credentials */
	OVERLOAD_NEW,       /* new, with credentials: INVITE, MESSAGE, SUBSCRIBE and others */
	OVERLOAD_KNOWN,     /* REGISTER and PUBLISH with credentials */
	OVERLOAD_DIALOG,    /* ACK, BYE, CANCEL, PRACK and all with a To tag */
	OVERLOAD_NEVER      /* responses */
};

#define OVERLOAD_FULL 1000 /* of a class everything is refused */
#define OVERLOAD_USERS 800 /* the most of any class but strangers */
#define OVERLOAD_LEAST 4   /* messages of an interval: the waits of fewer say nothing about a queue */
#define OVERLOAD_MAX (OVERLOAD_FULL + OVERLOAD_DIALOG * OVERLOAD_USERS)

struct overload {
	int64_t since_ms;              /* when this interval began */
	uint32_t least_ms;             /* the shortest wait in it; UINT32_MAX: nothing has come */
	unsigned seen;                 /* messages of it whose wait is known */
	unsigned level;                /* up to OVERLOAD_MAX: what is refused of each class, the first one first */
	unsigned answers;              /* given in this interval */
	unsigned owed[OVERLOAD_NEVER]; /* of each class: thousandths of a request that are still to be refused */
};

/*
 * overload_note: a message was read that had waited so long, UINT32_MAX: nobody knows. true: refusing has begun or is
 * over (level says which).
 */
bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms);

/* overload_class: of a message as it is on the wire; what is nothing else is a stranger. */
enum overload_class overload_class(struct slice octets);

/* overload_refuses: is this new request of the class one of those that are refused? */
bool overload_refuses(struct overload *o, enum overload_class c);

/* overload_answers: is there a 503 left for it? */
bool overload_answers(struct overload *o);

#endif
