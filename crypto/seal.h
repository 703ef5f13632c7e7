#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include <stdint.h>

#include "core/buf.h"

/*
 * Sealing of secrets on disk (DEP-07): AES-256-GCM with a random 96-bit nonce in front and the 128-bit tag behind. A
 * random nonce is safe for some 2^32 boxes under one key, far above what a store writes.
 */

#define SEAL_KEY 32      /* octets of a sealing key */
#define SEAL_OVERHEAD 28 /* nonce and tag */

/*
 * seal_close: appends nonce, ciphertext and tag of plain. context (such as the AOR) is authenticated but not stored, so
 * that a box moved to another record does not open.
 */
void seal_close(const uint8_t key[SEAL_KEY], struct slice context, struct slice plain, struct buf *out);

/*
 * seal_open: appends the plain octets. ERR_CRYPTO when box, context and key do not belong together; out is as before
 * then.
 */
MUST_USE enum err seal_open(const uint8_t key[SEAL_KEY], struct slice context, struct slice box, struct buf *out);

#endif
