#ifndef SIP_CONFIG_PRIVATE_H
#define SIP_CONFIG_PRIVATE_H

#include "sip/config.h"

/* Shared by config.c (the table and loading) and config_value.c (values as text): one row of the table. */

enum type { TYPE_TEXT, TYPE_ADDRESSES, TYPE_LISTENERS, TYPE_NUMBER, TYPE_SWITCH, TYPE_CHOICE, TYPE_ROUTES };

/* When a changed value takes effect: at a reload, or only in the next process. */
enum when { NOW, RESTART };

/* A key of the configuration. */
struct entry {
	const char *section, *key;
	enum type type;
	size_t offset;        /* of its field in struct config */
	const char *standard; /* default, as it would stand in the file */
	uint32_t min, max;    /* of a number */
	const char *choices;  /* "a|b|c", in the order of the enum */
	enum when when;
	const char *help;
};

/*
 * config_value_read: value, as it stands in the file, becomes the value of e in c. false: it is not of the type of e,
 * and c is unchanged. Always false for [route], whose keys are chosen by the user.
 */
bool config_value_read(struct config *c, const struct entry *e, struct slice value);

/*
 * config_value_route: a line of [route]. A second line for one domain adds its targets behind those of the first one;
 * the first option (-o) for a domain replaces what the file says. false: not valid, or more than ROUTES_MAX domains.
 */
bool config_value_route(struct config *c, struct slice domain, struct slice targets, bool by_option);

/*
 * config_value_write: appends the value as it would stand in the file. config_value_expected: appends what may stand
 * there.
 */
void config_value_write(const struct config *c, const struct entry *e, struct buf *out);
void config_value_expected(const struct entry *e, struct buf *out);

/* config_value_free: frees what the value of e owns in c. */
void config_value_free(struct config *c, const struct entry *e);

#endif
