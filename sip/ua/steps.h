#ifndef SIP_UA_STEPS_H
#define SIP_UA_STEPS_H

#include "core/buf.h"

/*
 * What was proven step by step, for people: every step holds, fails with the SIP status that a verifier would answer,
 * or cannot be judged because of an earlier one. The first that fails decides.
 */
#define STEPS_MAX 12

enum step_state { STEP_HOLDS, STEP_FAILS, STEP_OPEN };

struct step {
	const char *name;
	enum step_state state;
	unsigned code;      /* of one that fails */
	const char *reason; /* its phrase, static */
	struct buf text;
	struct buf string; /* one line more below it, fit for a terminal; may be empty */
};

struct steps {
	struct step list[STEPS_MAX];
	unsigned count;
};

void steps_hold(struct steps *s, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void steps_open(struct steps *s, const char *name, const char *why);

/* steps_fail: reason NULL is the default phrase of code. */
void steps_fail(struct steps *s, const char *name, unsigned code, const char *reason, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* steps_failed: the first one that fails, NULL when all hold. */
const struct step *steps_failed(const struct steps *s);

/* steps_print: one line for each; steps_json: the value of "steps". */
void steps_print(const struct steps *s, struct buf *out);
void steps_json(const struct steps *s, struct buf *out);
void steps_free(struct steps *s);

#endif
