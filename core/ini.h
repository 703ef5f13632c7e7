#ifndef CORE_INI_H
#define CORE_INI_H

#include "core/slice.h"

/*
 * INI text: "[section]", "key = value", blank lines, and lines that begin with # or ;. A value runs to the end of its
 * line, blanks at both ends taken off; it has no quotes, escapes or continuation, and no control character.
 */

/* One "key = value". section is empty before the first [section]. Return false to stop. */
typedef bool (*ini_fn)(void *arg, struct slice section, struct slice key, struct slice value, unsigned line);

/*
 * ini_parse: calls fn for each setting in order. ERR_SYNTAX: *line is where, *why what was expected there (static).
 * ERR_CLOSED: fn said stop. All slices point into text.
 */
MUST_USE enum err ini_parse(struct slice text, ini_fn fn, void *arg, unsigned *line, const char **why);

/* ini_line: the line of that number (from 1), its first 80 octets without blanks around; for error messages. */
struct slice ini_line(struct slice text, unsigned number);

#endif
