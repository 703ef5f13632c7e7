#include "sip/transaction/overload.h"

#define STEP_MIN 10       /* thousandths of a class */
#define WAITS_MAX 4       /* targets: longer waits make no larger steps */
#define INTERVALS_MAX 128 /* after which all is over */

/*
 * A step is an eighth of what is let in of the class in question, so that ten times too much settles as well as twice
 * too much does; the longer the wait the larger, for the queue must not overflow meanwhile: responses are in it, too.
 */
static unsigned step(unsigned level)
{
	unsigned admitted = OVERLOAD_FULL - level % OVERLOAD_FULL;

	return admitted / 8 > STEP_MIN ? admitted / 8 : STEP_MIN;
}

static unsigned level_up(unsigned level, uint32_t least_ms)
{
	uint32_t waits = least_ms / OVERLOAD_TARGET_MS;

	level += step(level) * (waits < WAITS_MAX ? waits : WAITS_MAX);
	return level < OVERLOAD_MAX ? level : OVERLOAD_MAX;
}

static unsigned level_down(unsigned level)
{
	/* On the border it is the class below that is let in again. */
	unsigned down = level % OVERLOAD_FULL == 0 ? STEP_MIN : step(level);

	return level > down ? level - down : 0;
}

bool overload_note(struct overload *o, uint32_t waited_ms, int64_t now_ms)
{
	unsigned before = o->level;
	int64_t over = (now_ms - o->since_ms) / OVERLOAD_INTERVAL_MS;

	if (over > 0) {
		if (over == 1 && o->least_ms > OVERLOAD_TARGET_MS && o->least_ms != UINT32_MAX)
			o->level = level_up(o->level, o->least_ms);
		else if (over > INTERVALS_MAX)
			o->level = 0;
		else
			for (int64_t i = 0; i < over; i++) /* intervals in which nothing came count, too */
				o->level = level_down(o->level);
		o->since_ms = now_ms;
		o->least_ms = UINT32_MAX;
		o->answers = 0;
	}
	if (waited_ms < o->least_ms)
		o->least_ms = waited_ms;
	return (before == 0) != (o->level == 0);
}

/* The To field of a request has a tag: the first line that begins with To, or its compact form. */
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
	static const struct slice never[] = {{"ACK ", 4}, {"BYE ", 4}, {"CANCEL ", 7}, {"PRACK ", 6}, {"SIP/2.0 ", 8}};
	bool vouched;

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (slice_starts(octets, never[i]))
			return OVERLOAD_NEVER;
	if (has_to_tag(octets))
		return OVERLOAD_NEVER;
	vouched = slice_find(octets, S("uthorization:"), 0) < octets.n;
	if (!vouched)
		return OVERLOAD_STRANGERS;
	return slice_starts(octets, S("REGISTER ")) || slice_starts(octets, S("PUBLISH ")) ? OVERLOAD_KNOWN
											   : OVERLOAD_NEW;
}

/* How many of OVERLOAD_FULL are refused now. */
static unsigned share(const struct overload *o, enum overload_class c)
{
	unsigned before = OVERLOAD_FULL * (unsigned)c, most = c == OVERLOAD_STRANGERS ? OVERLOAD_FULL : OVERLOAD_USERS;

	if (o->level <= before)
		return 0;
	return o->level - before < most ? o->level - before : most;
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
