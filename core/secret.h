#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include "core/buf.h"

/*
 * What a person must not read in text that strangers or phones have written: the password in a SIP URI (RFC 3261
 * 19.1.1), and Authorization among the header fields in one (19.1.1, of Refer-To for example).
 */
#define SECRET_HIDDEN "***"

/* secret_length: how many octets from at on are such a secret; 0: none begins there. */
size_t secret_length(struct slice text, size_t at);

/* secret_hide: appends text with SECRET_HIDDEN in place of each secret. */
void secret_hide(struct slice text, struct buf *out);

#endif
