#ifndef SIP_PROMPT_H
#define SIP_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/*
 * prompt_secret: one line from standard input, at most size - 1 octets, without its end; on a terminal after the text
 * label and without echo. false: nothing came, or an empty line. The caller wipes out.
 */
MUST_USE bool prompt_secret(const char *label, char *out, size_t size);

#endif
