#ifndef CRYPTO_BER_H
#define CRYPTO_BER_H

#include "core/buf.h"

/*
 * BER to DER, for input that others wrote (FMT-09): indefinite and long-winded lengths, and OCTET
 * STRINGs in pieces. Nothing else of BER is changed, so what is not DER then stays what it is.
 */
#define BER_DEPTH_MAX 12 /* constructed elements inside one another; more is ERR_LIMIT */

/*
 * ber_to_der: appends the first element of in, rewritten; *used is how many octets of in it takes. ERR_SYNTAX when it
 * is malformed or cut; der is then as before. No recursion; the cost is linear in in.n times the depth.
 */
MUST_USE enum err ber_to_der(struct slice in, struct buf *der, size_t *used);

#endif
