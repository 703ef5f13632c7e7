#ifndef CRYPTO_PKCS8_H
#define CRYPTO_PKCS8_H

#include "core/buf.h"
#include "crypto/key.h"

/*
 * PKCS#8 (RFC 5208, RFC 5958) as the draft (7.5, 9.5) and RFC 6072 10.5 use it: PrivateKeyInfo, and
 * EncryptedPrivateKeyInfo by PBES2 with PBKDF2. Written here because mbedTLS writes no PKCS#8 and 2.28 lacks key wrap
 * with padding (RFC 5649).
 *
 * PBKDF2 costs about 0.1 s for 100,000 iterations, so only the verbs of users decrypt; the server looks at the shape
 * alone.
 */

enum pkcs8_kind {
	PKCS8_NONE,      /* not PKCS#8: also PKCS#1 and SEC1 keys */
	PKCS8_PLAIN,     /* PrivateKeyInfo or OneAsymmetricKey, version 0 or 1 */
	PKCS8_ENCRYPTED, /* EncryptedPrivateKeyInfo */
};

enum pkcs8_profile {
	PKCS8_3DES,     /* draft: PBKDF2 with HMAC-SHA1, des-EDE3-CBC */
	PKCS8_WRAP_PAD, /* RFC 6072: PBKDF2 with HMAC-SHA256, id-aes128-wrap-pad */
	PKCS8_AES_CBC,  /* PBKDF2 with HMAC-SHA256, AES-256-CBC */
};

#define PKCS8_ITERATIONS 100000       /* written by default */
#define PKCS8_ITERATIONS_MAX 10000000 /* more is refused before any work: 2^31 would take half an hour */
#define PKCS8_DER_MAX 8192            /* octets of an object that is read */

/*
 * pkcs8_shape: which kind der is, told by the first inner tag (INTEGER or SEQUENCE). Looks at the outer structure only,
 * without recursion. *len is the length of the object, so that the caller can tell CR LF behind it from other octets.
 * PKCS8_NONE, with *len untouched, when the lengths do not nest inside der, or a mandatory field is missing or of a
 * wrong type, or the object is over PKCS8_DER_MAX. BER that is not DER is none (FMT-09).
 */
enum pkcs8_kind pkcs8_shape(struct slice der, size_t *len);

/*
 * pkcs8_matches: does the plain PrivateKeyInfo hold the private half of spki (DER SubjectPublicKeyInfo)? Reads the key
 * with all checks of key_read_private and compares the public halves; signs nothing. ERR_CRYPTO: it does not.
 * ERR_SYNTAX, ERR_UNSUPPORTED.
 */
MUST_USE enum err pkcs8_matches(struct slice der, struct slice spki);

/*
 * pkcs8_write: appends k as DER PrivateKeyInfo, version 0. ERR_UNSUPPORTED for a public half alone. The caller wipes
 * der.
 */
MUST_USE enum err pkcs8_write(const struct key *k, struct buf *der);

/*
 * pkcs8_encrypt: appends plain (DER PrivateKeyInfo, else ERR_SYNTAX) encrypted under pass (UTF-8 octets) with a new
 * salt and IV. ERR_LIMIT for iterations under 1000 or over PKCS8_ITERATIONS_MAX.
 */
MUST_USE enum err pkcs8_encrypt(struct slice plain, struct slice pass, enum pkcs8_profile profile, uint32_t iterations,
				struct buf *der);

/*
 * pkcs8_decrypt: appends the plain PrivateKeyInfo; the caller wipes it. Reads PBES2 with PBKDF2 (HMAC-SHA1,
 * -SHA256, -SHA512) and des-EDE3-CBC (T-01), AES-128/192/256-CBC or id-aes128/192/256-wrap-pad.
 *
 * ERR_CRYPTO: a wrong pass phrase or damage; nothing tells the two apart. ERR_UNSUPPORTED: another scheme. ERR_LIMIT:
 * too many iterations. ERR_SYNTAX.
 */
MUST_USE enum err pkcs8_decrypt(struct slice der, struct slice pass, struct buf *plain);

/*
 * pkcs8_read: reads either kind, as DER or PEM ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), into a checked key. pass is
 * used for the encrypted kind only. ERR_NOTFOUND: the object is encrypted and pass.p is NULL, so a pass phrase is
 * needed. Else as pkcs8_decrypt and key_read_private.
 */
MUST_USE enum err pkcs8_read(struct slice text, struct slice pass, struct key **out);

#endif
