#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stdint.h>

#include "core/slice.h"

/*
 * siphash: SipHash-2-4 (Aumasson and Bernstein, 2012) of s under a key of two halves; the same on every machine. Under
 * a secret key nobody can choose inputs that collide; under a known one it is a checksum against accidents.
 */
uint64_t siphash(uint64_t k0, uint64_t k1, struct slice s);

#endif
