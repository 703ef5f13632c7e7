#ifndef CORE_INI_H
#define CORE_INI_H

#include "core/slice.h"

/*
 * INI text: "[section]", "key = value", blank lines, and comment lines that begin with # or ;. A value runs to the end
 * of its line, without the blanks at both ends. It has no quotes, escapes or continuation lines, and no control
 * character but the tab. Sections may be repeated; the caller decides what a repeated key means.
 */

/* One "key = value". section is empty before the first [section]. Return false to stop. */
typedef bool (*ini_fn)(void *arg, struct slice section, struct slice key, struct slice value, unsigned line);

/*
 * ini_parse: calls fn for each setting, in the order of the text. ERR_SYNTAX: *line (from 1) is where, *why what was
 * expected there (a static string); settings before that line have been reported already. ERR_CLOSED: fn returned
 * false. All slices point into text.
 */
MUST_USE enum err ini_parse(struct slice text, ini_fn fn, void *arg, unsigned *line, const char **why);

/*
 * ini_line: the line of that number (from 1), cut to 80 octets, without blanks around; for error messages. Points into
 * text.
 */
struct slice ini_line(struct slice text, unsigned number);

#endif
