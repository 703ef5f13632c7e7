#ifndef SIP_TRANSACTION_OVERLOAD_H
#define SIP_TRANSACTION_OVERLOAD_H

#include "sip/message/msg.h"

/*
 * Whether there is more to do than can be done, and what is refused then. The measure is how long requests have waited
 * in the system's queue before they are read (as CoDel, RFC 8289, has it): while even the shortest wait of an interval
 * is above the target, more is refused from interval to interval, and less again once it is below. First goes what
 * nobody has vouched for, then new work of users, then what keeps known work alive; never what ends work or belongs to
 * a dialog.
 */
#define OVERLOAD_TARGET_MS 50
#define OVERLOAD_INTERVAL_MS 100

enum overload_class {
	OVERLOAD_STRANGERS, /* new, without credentials */
	OVERLOAD_NEW,       /* new, with credentials: INVITE, MESSAGE, SUBSCRIBE and others */
	OVERLOAD_KNOWN,     /* REGISTER and PUBLISH with credentials */
	OVERLOAD_NEVER      /* ACK, BYE, CANCEL, PRACK, and all within a dialog */
};

#define OVERLOAD_FULL 1000 /* of a class everything is refused */
#define OVERLOAD_MAX (OVERLOAD_FULL * OVERLOAD_NEVER)

struct overload {
	int64_t since_ms;              /* when this interval began */
	uint32_t least_ms;             /* the shortest wait in it; UINT32_MAX: nothing has come */
	unsigned level;                /* up to OVERLOAD_MAX: thousandths of each class, the first one first */
	unsigned owed[OVERLOAD_NEVER]; /* of each class: thousandths of a request that are still to be refused */
};

/*
 * overload_note: a message was read that had waited so long, UINT32_MAX: nobody knows. true: refusing has begun or is
 * over (level says which).
 */
bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms);

enum overload_class overload_class(const struct sip_msg *m);

/* overload_refuses: is this new request of the class one of those that are refused? */
bool overload_refuses(struct overload *o, enum overload_class c);

#endif
