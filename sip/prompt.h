#ifndef SIP_PROMPT_H
#define SIP_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/*
 * prompt_new: the same for a password that is to be set: a terminal is asked twice, because nobody sees what is typed.
 * false: *why is a clause (static): nothing came, the two differ, or it does not fit.
 */
MUST_USE bool prompt_new(const char *label, char *out, size_t size, const char **why);

/*
 * prompt_secret: reads one line from standard input into out, without its line end, at most size - 1 octets. On a
 * terminal label is shown and nothing is echoed. false: nothing came, the line was empty, or a signal ended it. The
 * caller wipes out.
 */
MUST_USE bool prompt_secret(const char *label, char *out, size_t size);

#endif
