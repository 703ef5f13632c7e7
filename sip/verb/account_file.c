#include "sip/verb/account_file.h"

#include <limits.h>
#include <stdlib.h>

#include "crypto/rng.h"
#include "sip/server/control.h"
#include "store/named.h"

#define PASSWORD_OCTETS 10

void account_file_password(struct buf *out)
{
	rng_hex(out, PASSWORD_OCTETS);
}

void account_file_text(struct buf *out, const char *aor, struct slice password, struct slice server, struct slice ca)
{
	buf_addf(out, "aor = %s\npassword = %.*s\n", aor, SLICE_ARG(password));
	if (server.n > 0)
		buf_addf(out, "server = %.*s\n", SLICE_ARG(server));
	else
		buf_adds(out, "# server = tls:HOST:PORT   without this line the DNS says where the server is\n");
	if (ca.n > 0)
		buf_addf(out, "ca = %.*s\n", SLICE_ARG(ca));
}

/* add_server: a running lab may have other ports than its configuration. */
static void add_server(const struct config *c, struct buf *out)
{
	struct buf answer = {0};
	bool running;

	if (control_ask(c, "reached", &answer, &running))
		buf_add(out, slice_trim(buf_slice(&answer)));
	else
		config_reached(c, out);
	buf_free(&answer);
}

/* add_ca: the whole path, because an account file may lie in any folder. */
static void add_ca(const struct config *c, struct buf *out)
{
	struct buf path = {0};
	char whole[PATH_MAX];

	if (c->tls_ca[0] == '\0')
		return;
	config_path(c, c->tls_ca, &path);
	if (realpath(path.p, whole) != NULL)
		buf_adds(out, whole);
	buf_free(&path);
}

bool account_file_make(const struct config *c, const char *path, const char *aor, struct slice password,
		       struct buf *why)
{
	struct buf text = {0}, server = {0}, ca = {0};
	bool ok;

	add_server(c, &server);
	add_ca(c, &ca);
	account_file_text(&text, aor, password, buf_slice(&server), buf_slice(&ca));
	ok = named_create(path, buf_slice(&text), why);
	buf_wipe(&text);
	buf_free(&server);
	buf_free(&ca);
	return ok;
}
