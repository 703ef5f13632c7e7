#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

/*
 * DER (X.690) for the files of this folder: a strict reader over slices, and a writer. Strict means single-octet tags
 * and minimal definite lengths of at most four octets. The other forms of BER are refused, so that one object has one
 * form and its octets can be compared, hashed and given out again.
 *
 * Readers take an element off the front of *in. They return false and change nothing when the element is malformed,
 * cut, or of another type. Bodies are slices of the input.
 */
enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_T61 = 0x14,
	DER_IA5 = 0x16,
	DER_UTCTIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};

#define DER_CONTEXT(n) (0x80 | (n))             /* [n] IMPLICIT of a primitive type */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n] of a constructed type, or EXPLICIT */

#define OID_RSA S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")
#define OID_EC S("\x2a\x86\x48\xce\x3d\x02\x01")
#define OID_P256 S("\x2a\x86\x48\xce\x3d\x03\x01\x07")
#define OID_P384 S("\x2b\x81\x04\x00\x22")

/* der_next: takes the first element, whatever its tag; *body is its contents. */
bool der_next(struct slice *in, uint8_t *tag, struct slice *body);

/* der_is: does in start with that tag? der_take: der_next, but for an element of that tag only. */
bool der_is(struct slice in, uint8_t tag);
bool der_take(struct slice *in, uint8_t tag, struct slice *body);

/*
 * der_uint: takes a non-negative INTEGER; *magnitude is big-endian without leading zeroes and empty for 0. der_u32: the
 * same as a number of at most max.
 */
bool der_uint(struct slice *in, struct slice *magnitude);
bool der_u32(struct slice *in, uint32_t max, uint32_t *out);

/* der_bits: takes a BIT STRING of whole octets. */
bool der_bits(struct slice *in, struct slice *octets);

/*
 * der_put: appends a whole element. der_put_uint: appends an INTEGER of that big-endian magnitude; leading zeroes are
 * dropped and a sign octet is added where it is needed.
 */
void der_put(struct buf *out, uint8_t tag, struct slice body);
void der_put_uint(struct buf *out, struct slice magnitude);
void der_put_u32(struct buf *out, uint32_t v);

/*
 * der_open: begins an element; its body is what is appended until der_close(out, mark) with the mark that der_open
 * returned. Elements nest; der_close moves the body to insert its length.
 */
size_t der_open(struct buf *out, uint8_t tag);
void der_close(struct buf *out, size_t mark);

#endif
