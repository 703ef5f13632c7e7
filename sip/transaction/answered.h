#ifndef SIP_TRANSACTION_ANSWERED_H
#define SIP_TRANSACTION_ANSWERED_H

#include "core/loop.h"
#include "sip/message/proto.h"
#include "sip/transport/flow.h"

/*
 * What is left of a non-INVITE server transaction in its Completed state (RFC 3261 Figure 8): the final response, which
 * is sent again for each retransmission until Timer J. Most transactions of a registrar are in this state, so it is
 * kept small: one allocation for each, one timer for all, and a budget of octets. Over the budget the oldest answers
 * are dropped before their time, and a retransmission then counts as a new request.
 *
 * Keys are stored as their SipHash only. Two keys have the same one by chance in 2^64, and nobody can choose such keys.
 */
struct answered;

/* answered_new: octets is the budget of all of them together. */
struct answered *answered_new(struct loop *l, size_t octets);
void answered_free(struct answered *a);

/*
 * answered_add: key and method name the transaction as in server_key. print is the one of the request, merge what
 * tx_merged compares, SLICE_NONE when it was not asked. to is where the response went, and room what may still go there
 * for what came (see answered_afford). All is copied.
 */
void answered_add(struct answered *a, struct slice key, enum method method, uint64_t print, struct slice merge,
		  const struct flow *to, size_t room, struct slice response);

/*
 * answered_find: the answer to a request of this key and method, or NULL; valid until the loop goes on. All unknown
 * methods are METHOD_UNKNOWN here, and their names are part of the key. answered_is_of: was the request of this print?
 * answered_octets: the response and where it goes; lies in x. answered_afford: after another copy of came octets, may
 * the response go once more to an address that has not shown itself? All answers together have at most twice the octets
 * of all copies (G14).
 */
struct answer *answered_find(const struct answered *a, struct slice key, enum method method);
bool answered_is_of(const struct answer *x, uint64_t print);
struct slice answered_octets(const struct answer *x, struct flow *to);
bool answered_afford(struct answer *x, size_t came);

/* answered_cancellable: is there one that a CANCEL with this key is for? answered_merged: one with this merge key? */
bool answered_cancellable(const struct answered *a, struct slice key);
bool answered_merged(const struct answered *a, struct slice merge);
unsigned answered_count(const struct answered *a);

#endif
