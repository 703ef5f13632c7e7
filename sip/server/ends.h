#ifndef SIP_SERVER_ENDS_H
#define SIP_SERVER_ENDS_H

#include "sip/config.h"

/*
 * When the certificates of a server end: those of tls.certificate with their authorities, that of identity.certificate,
 * and the anchors in tls.ca that have signed one of them. Others in tls.ca are not ours to renew.
 */
#define ENDS_SOON_DAYS 30 /* from here on the administrator is warned */

struct end {
	const char *key; /* of the configuration: "tls.certificate" */
	char *file;      /* as it stands there */
	int64_t at;      /* seconds since 1970 */
};

struct ends {
	struct end *list;
	unsigned count;
};

/* ends_read: reads the files that c names; what cannot be read is left out. ends_drop: frees them. */
void ends_read(const struct config *c, int64_t now, struct ends *out);
void ends_drop(struct ends *e);

/* ends_days: whole days from now to then; less than 0: it is over. */
int64_t ends_days(const struct end *e, int64_t now);

/*
 * ends_say: appends what the administrator is to know of a certificate that has less than ENDS_SOON_DAYS, a sentence.
 * false: it has more, and nothing was appended.
 */
bool ends_say(const struct end *e, int64_t now, struct buf *out);

#endif
