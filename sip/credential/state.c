#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/credential/credential_private.h"
#include "sip/identity/user_cert.h"

/*
 * The state that NOTIFYs carry about an AOR: its certificate, or certificate and key.
 *
 * A certificate may have ten thousand watchers, so its file is read and decoded once for each entity-tag. A private key
 * is read from its file each time, because it stays in memory no longer than sending takes.
 */

#define TOLD_MAX 16 /* certificates in memory; few do, as all watchers of one AOR are told in a row */

struct told {
	struct list_node node; /* in credentials.told, the one used last at the end */
	char *aor;
	char etag[CREDENTIAL_ETAG + 1];
	struct buf cert; /* DER */
};

static void told_free(struct told *t)
{
	list_remove(&t->node);
	buf_free(&t->cert);
	mem_free(t->aor);
	mem_free(t);
}

void state_drop(struct credentials *all)
{
	struct list_node *n;

	while ((n = list_first(&all->told)) != NULL)
		told_free(LIST_ENTRY(n, struct told, node));
}

/* find: the entry of the AOR, perhaps with an older entity-tag; NULL: none. *count: the number of entries. */
static struct told *find(const struct credentials *all, const char *aor, unsigned *count)
{
	struct told *found = NULL;

	*count = 0;
	for (struct list_node *n = list_first(&all->told); n != NULL; n = list_next(&all->told, n)) {
		struct told *t = LIST_ENTRY(n, struct told, node);

		++*count;
		if (strcmp(t->aor, aor) == 0)
			found = t;
	}
	return found;
}

/* read_cert: appends the DER of the certificate of c. The file is read when no entry has its entity-tag. */
static enum err read_cert(struct credentials *all, const struct credential *c, struct buf *out)
{
	unsigned count;
	struct told *t = find(all, c->aor, &count);
	struct buf cert = {0};
	enum err e;

	if (t != NULL && strcmp(t->etag, c->etag) == 0) {
		list_remove(&t->node);
		list_add(&all->told, &t->node);
		buf_add(out, buf_slice(&t->cert));
		return ERR_OK;
	}
	e = credential_read(all->d.store, c, &cert, NULL);
	if (e != ERR_OK)
		return e;
	buf_add(out, buf_slice(&cert));
	if (t == NULL && count >= TOLD_MAX)
		t = LIST_ENTRY(list_first(&all->told), struct told, node);
	if (t != NULL)
		told_free(t);
	t = mem_alloc(sizeof(*t));
	t->aor = mem_strdup(c->aor);
	memcpy(t->etag, c->etag, sizeof(t->etag));
	t->cert = cert;
	list_add(&all->told, &t->node);
	return ERR_OK;
}

/* read_both: the multipart with certificate and key, with a line in the log, since a key leaves (draft 7.5). */
static enum err read_both(struct credentials *all, const struct credential *c, struct buf *headers, struct buf *body)
{
	struct buf cert = {0}, key = {0};
	enum err e = credential_read(all->d.store, c, &cert, &key);

	if (e == ERR_OK) {
		user_cert_body(buf_slice(&cert), buf_slice(&key), headers, body);
		log_line(LOG_INFO, "event=credential_read aor=%s", log_esc(slice_str(c->aor)).text);
	}
	buf_free(&cert);
	buf_wipe(&key);
	return e;
}

static void source_etag(void *arg, struct slice aor, char *etag)
{
	const struct credential *c = credentials_current(arg, aor);

	if (c != NULL)
		memcpy(etag, c->etag, sizeof(c->etag));
	else
		etag[0] = '\0';
}

/* No credential is no error: the NOTIFY has no body then (CRT-15, CRD-26). */
static enum err source_state(void *arg, enum package p, struct slice aor, struct buf *headers, struct buf *body,
			     char *etag)
{
	struct credentials *all = arg;
	const struct credential *c = credentials_current(all, aor);
	enum err e;

	if (c == NULL)
		return ERR_OK;
	e = p == PACKAGE_CERTIFICATE ? read_cert(all, c, body) : read_both(all, c, headers, body);
	if (e != ERR_OK)
		return e;
	if (p == PACKAGE_CERTIFICATE)
		buf_adds(headers, "Content-Type: application/pkix-cert\r\n");
	buf_adds(headers, "Content-Disposition: signal\r\n");
	memcpy(etag, c->etag, sizeof(c->etag));
	return ERR_OK;
}

/* A credential subscription never outlives the certificate (CRD-16); a certificate subscription may (CRT-07). */
static int64_t source_valid_until(void *arg, enum package p, struct slice aor)
{
	const struct credential *c = credentials_current(arg, aor);

	return p == PACKAGE_CREDENTIAL && c != NULL ? c->not_after : INT64_MAX;
}

/*
 * source_subscribed: with style 3 a credential is made for a user that asks and never had one. One that was revoked is
 * not made anew by itself (T-26).
 */
static void source_subscribed(void *arg, enum package p, struct slice aor)
{
	struct credentials *all = arg;
	enum err e;

	if (p != PACKAGE_CREDENTIAL || !all->d.access.settings->config.credential_create ||
	    turn_find(all, aor) != NULL || credential_find(all->d.store, aor) != NULL)
		return;
	e = creator_start(all, aor, NULL, NULL);
	if (e != ERR_OK)
		log_line(LOG_WARN, "event=cred_not_made aor=%s reason=%s", log_esc(aor).text,
			 log_esc(slice_str(err_str(e))).text);
}

const struct notifier_source credentials_source = {
	.etag = source_etag, .state = source_state, .valid_until = source_valid_until, .subscribed = source_subscribed};
