#ifndef CRYPTO_ENCODE_H
#define CRYPTO_ENCODE_H

#include "core/buf.h"

/* Text forms of octets: base64 (RFC 4648), hexadecimal, and PEM (RFC 7468). */

/*
 * base64_encode: appends the base64 of in, padded, without line breaks (as Identity wants it). base64url_encode: the
 * alphabet of RFC 4648 5, without padding.
 */
void base64_encode(struct buf *out, struct slice in);
void base64url_encode(struct buf *out, struct slice in);

/*
 * base64_decode: appends the octets that in stands for. White space (SP, TAB, CR, LF) is skipped anywhere, since
 * Identity and PEM may be folded. ERR_SYNTAX: any other foreign character, wrong padding, or left-over bits that are
 * not zero, so that one value has one spelling; out is as before. base64url_decode: the URL alphabet, no padding, no
 * white space.
 */
MUST_USE enum err base64_decode(struct buf *out, struct slice in);
MUST_USE enum err base64url_decode(struct buf *out, struct slice in);

/* hex_encode: lower-case digits. hex_decode: an even number of digits of either case, else ERR_SYNTAX. */
void hex_encode(struct buf *out, struct slice in);
MUST_USE enum err hex_decode(struct buf *out, struct slice in);

/* pem_write: appends "-----BEGIN label-----", base64 in lines of 64 characters, "-----END label-----", LF line ends. */
void pem_write(struct buf *out, const char *label, struct slice der);

/*
 * pem_read: finds the next block of text at or behind *pos whose label is one of labels (NULL-terminated; blocks with
 * other labels are skipped). Appends its octets to der, sets *label to the entry of labels and *pos behind the END
 * line. CRLF or LF, text before and between blocks, and any line length are accepted.
 *
 * ERR_NOTFOUND: no such block is left. ERR_SYNTAX: a BEGIN line with a wanted label lacks its END line, or bad base64.
 * *pos, *label and der are untouched then. Reserve der before a private key is read.
 */
MUST_USE enum err pem_read(struct slice text, const char *const *labels, size_t *pos, const char **label,
			   struct buf *der);

#endif
