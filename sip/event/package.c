#include "sip/event/package.h"

/* The names of the packages, in the order of the enum. */

static const char *const names[PACKAGE_COUNT] = {"certificate", "credential"};

enum package package_of(struct slice token)
{
	for (unsigned p = 0; p < PACKAGE_COUNT; p++)
		if (slice_eq(token, slice_str(names[p])))
			return (enum package)p;
	return PACKAGE_COUNT;
}

const char *package_name(enum package p)
{
	return names[p];
}
