#ifndef SIP_TRANSACTION_ANSWERED_H
#define SIP_TRANSACTION_ANSWERED_H

#include "core/loop.h"
#include "sip/message/proto.h"
#include "sip/transport/flow.h"

/*
 * What is left of a non-INVITE server transaction in its Completed state (RFC 3261 Figure 8): the final response, to be
 * sent again until Timer J. Most transactions of a registrar are in this state, so it is kept small: one piece of
 * memory each, one timer for all, and when they come to have too many octets the oldest are over before their time.
 * Keys are compared by their SipHash under a key of the table only.
 */
struct answered;

/* answered_new: octets: what all of them may have together. */
struct answered *answered_new(struct loop *l, size_t octets);
void answered_free(struct answered *a);

/*
 * answered_add: key and method name the transaction as in server_key; merge is what tx_merged compares, SLICE_NONE when
 * nobody asked; to: where the response went.
 */
void answered_add(struct answered *a, struct slice key, enum method method, struct slice merge, const struct flow *to,
		  struct slice response);

/* answered_find: NULL: none of this method; METHOD_UNKNOWN is one method here, its name is in the key. */
struct answer *answered_find(const struct answered *a, struct slice key, enum method method);
struct slice answered_octets(const struct answer *x, struct flow *to);

/* answered_cancellable: one that a CANCEL with this key is for. */
bool answered_cancellable(const struct answered *a, struct slice key);
bool answered_merged(const struct answered *a, struct slice merge);
unsigned answered_count(const struct answered *a);

#endif
