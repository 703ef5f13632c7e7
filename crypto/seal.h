#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include <stdint.h>

#include "core/buf.h"

/* Sealing of what lies on disk: AES-256-GCM with a random 96-bit nonce in front and the 128-bit tag behind. */

#define SEAL_KEY 32      /* octets of a sealing key */
#define SEAL_OVERHEAD 28 /* nonce and tag */

/* seal_close: appends nonce, ciphertext and tag of plain. context is authenticated, not stored: open wants the same. */
void seal_close(const uint8_t key[SEAL_KEY], struct slice context, struct slice plain, struct buf *out);

/* seal_open: appends the plain octets. ERR_CRYPTO when box, context and key do not belong together; out as before. */
MUST_USE enum err seal_open(const uint8_t key[SEAL_KEY], struct slice context, struct slice box, struct buf *out);

#endif
