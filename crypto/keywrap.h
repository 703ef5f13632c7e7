#ifndef CRYPTO_KEYWRAP_H
#define CRYPTO_KEYWRAP_H

#include <stdint.h>

#include "core/buf.h"

/*
 * AES key wrap with padding (RFC 5649), which mbedTLS 2.28 lacks. kek: 16, 24 or 32 octets. keywrap_close appends the
 * wrapped form of plain (1 octet or more). keywrap_open appends the plain octets; ERR_CRYPTO when the integrity check
 * fails, out is as before.
 */
void keywrap_close(struct slice kek, struct slice plain, struct buf *out);
MUST_USE enum err keywrap_open(struct slice kek, struct slice wrapped, struct buf *out);

#endif
