#ifndef CRYPTO_ENCODE_H
#define CRYPTO_ENCODE_H

#include "core/buf.h"

/* Text forms of octets: base64 (RFC 4648), hexadecimal, and PEM (RFC 7468). */

/* base64_encode: appends the base64 of in, no line breaks. base64url_encode: RFC 4648 5, without padding. */
void base64_encode(struct buf *out, struct slice in);
void base64url_encode(struct buf *out, struct slice in);

/*
 * base64_decode: appends the octets that in stands for. White space (SP, TAB, CR, LF) anywhere is skipped; any other
 * foreign character, wrong padding, or non-zero left-over bits are ERR_SYNTAX and out is as before.
 * base64url_decode: the URL alphabet, no padding, no white space.
 */
MUST_USE enum err base64_decode(struct buf *out, struct slice in);
MUST_USE enum err base64url_decode(struct buf *out, struct slice in);

/* hex_encode: lower-case digits. hex_decode: an even number of digits of either case, else ERR_SYNTAX. */
void hex_encode(struct buf *out, struct slice in);
MUST_USE enum err hex_decode(struct buf *out, struct slice in);

/* pem_write: appends "-----BEGIN label-----", base64 in lines of 64 characters, "-----END label-----", LF line ends. */
void pem_write(struct buf *out, const char *label, struct slice der);

/*
 * pem_read: the next block of text at or behind *pos whose label is one of the NULL-terminated labels (others are
 * passed over). Appends its octets to der, sets *label to the entry of labels and *pos behind the END line.
 * CRLF or LF, text before and between blocks, and any line length are fine. ERR_NOTFOUND: no such block is left.
 * ERR_SYNTAX: a BEGIN line with a wanted label without the END line that belongs to it, or bad base64.
 */
MUST_USE enum err pem_read(struct slice text, const char *const *labels, size_t *pos, const char **label,
			   struct buf *der);

#endif
