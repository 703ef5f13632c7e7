#ifndef CRYPTO_PBES2_H
#define CRYPTO_PBES2_H

#include "crypto/pkcs8.h"

/*
 * PBES2 with PBKDF2 (RFC 8018 5.2, 6.2, A.2, A.4) for pkcs8.c. An algorithm is the body of the AlgorithmIdentifier of
 * an EncryptedPrivateKeyInfo.
 */

/*
 * pbes2_close: appends the AlgorithmIdentifier and the OCTET STRING with plain encrypted, with a new salt and IV.
 * pbes2_open: appends the plain octets of sealed. Only their padding or integrity value is checked, and a wrong pass
 * phrase passes that once in 256 times with CBC: the caller checks the shape. Errors as in pkcs8_decrypt.
 */
void pbes2_close(enum pkcs8_profile profile, struct slice pass, uint32_t iterations, struct slice plain,
		 struct buf *out);
MUST_USE enum err pbes2_open(struct slice algorithm, struct slice pass, struct slice sealed, struct buf *plain);

/* pbkdf2: RFC 8018 5.2 with HMAC on SHA-1 or SHA-256; n octets (at most 64) to out. */
void pbkdf2(enum hash_alg prf, struct slice pass, struct slice salt, uint32_t iterations, uint8_t *out, size_t n);

#endif
