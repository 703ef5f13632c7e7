#include "sip/transaction/overload.h"

/*
 * "level" is one number for all classes: the shares refused of strangers, of new work, of known work and of dialogs,
 * laid end to end. It rises with each bad interval and falls with each good one.
 */

#define STEP_MIN 10       /* smallest step, in thousandths of a class */
#define WAITS_MAX 4       /* a wait of more targets than this makes no larger step */
#define INTERVALS_MAX 128 /* after so many intervals without messages nothing is left of an overload */

/* most_of: how much of a class may be refused. before: the level at which its refusal begins. */
static unsigned most_of(enum overload_class c)
{
	return c == OVERLOAD_STRANGERS ? OVERLOAD_FULL : OVERLOAD_USERS;
}

static unsigned before(enum overload_class c)
{
	return c == OVERLOAD_STRANGERS ? 0 : OVERLOAD_FULL + ((unsigned)c - 1) * OVERLOAD_USERS;
}

/* share: how many thousandths of the class are refused now. */
static unsigned share(const struct overload *o, enum overload_class c)
{
	if (o->level <= before(c))
		return 0;
	return o->level - before(c) < most_of(c) ? o->level - before(c) : most_of(c);
}

/*
 * step: an eighth of what is admitted of the class, so that ten times too much load settles as well as twice too much.
 */
static unsigned step(const struct overload *o, enum overload_class c)
{
	unsigned admitted = OVERLOAD_FULL - share(o, c);

	return admitted / 8 > STEP_MIN ? admitted / 8 : STEP_MIN;
}

/*
 * level_up: the longer the wait, the larger the step, because the queue must not overflow meanwhile: responses are in
 * it, too.
 */
static void level_up(struct overload *o)
{
	uint32_t waits = o->least_ms / OVERLOAD_TARGET_MS;
	enum overload_class c = OVERLOAD_STRANGERS;

	while (c < OVERLOAD_DIALOG && share(o, c) == most_of(c))
		c++;
	o->level += step(o, c) * (waits < WAITS_MAX ? waits : WAITS_MAX);
	if (o->level > OVERLOAD_MAX)
		o->level = OVERLOAD_MAX;
}

static void level_down(struct overload *o)
{
	enum overload_class c = OVERLOAD_DIALOG;
	unsigned down;

	while (c > OVERLOAD_STRANGERS && share(o, c) == 0)
		c--;
	down = step(o, c);
	o->level = o->level > down ? o->level - down : 0;
}

bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms)
{
	bool was_over = o->level > 0;
	int64_t over = (now_ms - o->since_ms) / OVERLOAD_INTERVAL_MS;

	if (over > 0) {
		if (over == 1 && o->least_ms > OVERLOAD_TARGET_MS && o->seen >= OVERLOAD_LEAST)
			level_up(o);
		else if (over > INTERVALS_MAX)
			o->level = 0;
		else
			for (int64_t i = 0; i < over && o->level > 0; i++) /* empty intervals count, too */
				level_down(o);
		o->since_ms = now_ms;
		o->least_ms = UINT32_MAX;
		o->seen = o->answers = 0;
	}
	o->seen += waited_ms != UINT32_MAX;
	if (waited_ms < o->least_ms)
		o->least_ms = waited_ms;
	return was_over != (o->level > 0);
}

/* has_to_tag: has the To field a tag? Looks at the first line that begins with To or its compact form. */
static bool has_to_tag(struct slice octets)
{
	size_t at = slice_find(octets, S("\nTo:"), 0), compact = slice_find(octets, S("\nt:"), 0);
	struct slice line;

	line = slice_sub(octets, at < compact ? at : compact, octets.n);
	line = slice_sub(line, 1, line.n);
	return slice_find(slice_sub(line, 0, slice_chr(line, '\n')), S(";tag="), 0) < slice_chr(line, '\n');
}

enum overload_class overload_class(struct slice octets)
{
	static const struct slice last[] = {{"ACK ", 4}, {"BYE ", 4}, {"CANCEL ", 7}, {"PRACK ", 6}};
	bool vouched;

	if (slice_starts(octets, S("SIP/2.0 ")))
		return OVERLOAD_NEVER;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		if (slice_starts(octets, last[i]))
			return OVERLOAD_DIALOG;
	if (has_to_tag(octets))
		return OVERLOAD_DIALOG;
	vouched = slice_find(octets, S("uthorization:"), 0) < octets.n;
	if (!vouched)
		return OVERLOAD_STRANGERS;
	return slice_starts(octets, S("REGISTER ")) || slice_starts(octets, S("PUBLISH ")) ? OVERLOAD_KNOWN
											   : OVERLOAD_NEW;
}

bool overload_refuses(struct overload *o, enum overload_class c)
{
	if (o->level == 0 || c == OVERLOAD_NEVER)
		return false;
	o->owed[c] += share(o, c);
	if (o->owed[c] < OVERLOAD_FULL)
		return false;
	o->owed[c] -= OVERLOAD_FULL;
	return true;
}

bool overload_answers(struct overload *o)
{
	return o->answers++ < OVERLOAD_ANSWERS;
}
