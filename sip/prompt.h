#ifndef SIP_PROMPT_H
#define SIP_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/*
 * prompt_secret: reads one line from standard input into out, without its line end, at most size - 1 octets. On a
 * terminal label is shown and nothing is echoed. false: nothing came, the line was empty, or a signal ended it. The
 * caller wipes out.
 */
MUST_USE bool prompt_secret(const char *label, char *out, size_t size);

#endif
