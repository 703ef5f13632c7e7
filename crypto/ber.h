#ifndef CRYPTO_BER_H
#define CRYPTO_BER_H

#include "core/buf.h"

/*
 * BER to DER (X.690), for keys that other programs wrote (FMT-09): indefinite lengths, lengths in more octets than
 * needed, and OCTET STRINGs in pieces are rewritten. Nothing else of BER is changed, so other deviations from DER are
 * still there afterwards and the DER reader refuses them.
 */
#define BER_DEPTH_MAX 12 /* constructed elements inside one another; more is ERR_LIMIT */

/*
 * ber_to_der: appends the first element of in, rewritten; *used is how many octets of in it takes, so that the caller
 * can refuse what follows. ERR_SYNTAX when the element is malformed or cut, ERR_LIMIT when it is nested too deeply; der
 * is as before then. No recursion; the cost is linear in in.n times the depth.
 */
MUST_USE enum err ber_to_der(struct slice in, struct buf *der, size_t *used);

#endif
