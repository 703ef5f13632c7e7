#ifndef CRYPTO_RNG_H
#define CRYPTO_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

/*
 * Random octets straight from getrandom(2), without state in this process: nothing repeats after a fork or after a
 * snapshot of the machine. Thread-safe.
 */

/*
 * rng_fill: writes n unpredictable octets to p. Aborts when the kernel delivers none, because no caller could go on
 * safely.
 */
void rng_fill(void *p, size_t n);

/* rng_below: uniform in [0, bound), bound > 0. */
uint32_t rng_below(uint32_t bound);

/* rng_hex: appends 2 * n lower-case hexadecimal digits for n random octets. n <= 64. */
void rng_hex(struct buf *out, size_t n);

/* rng_mbedtls: the same as an mbedTLS f_rng callback, for the other files of this folder. */
int rng_mbedtls(void *unused, unsigned char *p, size_t n);

#endif
