#include "sip/ua/account.h"

#include <string.h>

#include "core/ini.h"
#include "core/mem.h"
#include "sip/message/limits.h"
#include "sip/message/scan.h"
#include "sip/message/uri.h"
#include "store/named.h"

/* Reads account files. Nothing of a line is quoted in an error but its first word, because it may hold the password. */

#define ACCOUNT_MAX 16384 /* octets of an account file */
#define ETAG_MAX 256      /* octets of an entity-tag that is kept */

struct reading {
	struct account *account;
	struct buf *why;
	bool ok;
};

static bool expected(struct reading *r, unsigned line, const char *what)
{
	buf_addf(r->why, "%s:%u: expected %s", r->account->file, line, what);
	r->ok = false;
	return false;
}

/* read_aor: only the plain form: an AOR has no port, parameters or header fields. */
static bool read_aor(struct reading *r, struct slice value, unsigned line)
{
	struct account *a = r->account;
	struct uri u;

	a->aor = slice_dup(value);
	if (uri_parse(slice_str(a->aor), &u) != ERR_OK || u.scheme != URI_SIP || u.user.n == 0 ||
	    u.password.p != NULL || u.port != 0 || u.params.n > 0 || u.headers.p != NULL)
		return expected(r, line, "aor = sip:user@domain");
	a->user = u.user;
	a->domain = u.host;
	return true;
}

static bool read_host(struct account *a, struct slice text)
{
	size_t colon = slice_rchr(text, ':');
	struct slice host = slice_sub(text, 0, colon), port = slice_sub(text, colon + 1, text.n);
	uint32_t number;

	if (colon == text.n || host.n == 0 || !slice_u32(port, 65535, &number) || number == 0 || !scan_is_host(host))
		return false;
	if (host.p[0] == '[')
		host = slice_sub(host, 1, host.n - 1);
	a->host = slice_dup(host);
	a->port = (uint16_t)number;
	return true;
}

/*
 * read_server: "tls:host:port". tcp and udp are read, too, and refused later by agent_new, where the reason is known.
 */
static bool read_server(struct reading *r, struct slice value, unsigned line)
{
	struct account *a = r->account;
	struct slice scheme, rest;

	if (slice_cut(value, ':', &scheme, &rest)) {
		a->has_server = true;
		a->proto = slice_ieq(scheme, S("tcp"))   ? PROTO_TCP
			   : slice_ieq(scheme, S("udp")) ? PROTO_UDP
							 : PROTO_TLS;
		if ((a->proto != PROTO_TLS || slice_ieq(scheme, S("tls"))) && read_host(a, rest))
			return true;
	}
	return expected(r, line, "server = tls:host:port");
}

/* read_setting: each key at most once. The first error ends the reading. */
static bool read_setting(void *arg, struct slice section, struct slice key, struct slice value, unsigned line)
{
	struct reading *r = arg;
	struct account *a = r->account;

	if (section.n > 0)
		return expected(r, line, "no sections, only aor, password, server and ca");
	if (slice_eq(key, S("aor")) && a->aor == NULL)
		return read_aor(r, value, line);
	if (slice_eq(key, S("password")) && a->password == NULL && value.n > 0) {
		a->password = slice_dup(value);
		return true;
	}
	if (slice_eq(key, S("server")) && !a->has_server)
		return read_server(r, value, line);
	if (slice_eq(key, S("ca")) && a->ca == NULL && value.n > 0) {
		struct buf path = {0};
		char *name = slice_dup(value);

		/* A relative path is meant from the folder of the account file. */
		named_beside(a->file, name, &path);
		mem_free(name);
		a->ca = buf_take(&path);
		return true;
	}
	buf_addf(r->why,
		 "%s:%u: \"%.*s\" is unknown, empty or there twice; expected one each of aor, password, server, ca",
		 a->file, line, SLICE_ARG(key));
	r->ok = false;
	return false;
}

bool account_load(const char *file, struct account *out, struct buf *why)
{
	struct reading r = {.account = out, .why = why, .ok = true};
	struct buf text = {0};
	const char *syntax;
	unsigned line;

	*out = (struct account){.file = mem_strdup(file), .proto = PROTO_TLS};
	if (!named_read(file, true, ACCOUNT_MAX, &text, why))
		return false;
	if (ini_parse(buf_slice(&text), read_setting, &r, &line, &syntax) == ERR_SYNTAX) {
		struct slice rest = ini_line(buf_slice(&text), line), word = scan_token(&rest);

		/* The first word only: the line may hold a password that lacks its "=". */
		buf_addf(why, "%s:%u: \"%.*s\": expected %s", file, line, SLICE_ARG(word), syntax);
		r.ok = false;
	}
	buf_wipe(&text);
	if (r.ok && out->aor == NULL) {
		buf_addf(why, "%s: there is no line \"aor = sip:user@domain\"", file);
		r.ok = false;
	}
	if (r.ok && out->ca == NULL)
		out->ca = mem_strdup(CONFIG_SYSTEM_CA);
	return r.ok;
}

void account_free(struct account *a)
{
	if (a->password != NULL)
		mem_wipe(a->password, strlen(a->password));
	mem_free(a->password);
	mem_free(a->file);
	mem_free(a->aor);
	mem_free(a->host);
	mem_free(a->ca);
	*a = (struct account){0};
}

static void etag_path(const struct account *a, struct buf *out)
{
	buf_addf(out, "%s.etag", a->file);
}

void account_etag(const struct account *a, struct buf *out)
{
	struct buf path = {0}, text = {0};
	struct slice aor, etag;

	etag_path(a, &path);
	/* The file has "AOR etag", because it may be left from an account of another user with the same name. */
	if (buf_read_file(&text, path.p, ETAG_MAX + SIP_AOR_MAX) == ERR_OK &&
	    slice_cut(slice_trim(buf_slice(&text)), ' ', &aor, &etag) && slice_eq(aor, slice_str(a->aor)) &&
	    scan_is_token(etag))
		buf_add(out, etag);
	buf_free(&text);
	buf_free(&path);
}

/* An entity-tag that could not be written back as one word is not kept. */
bool account_learn(const struct account *a, struct slice etag, struct buf *why)
{
	struct buf path = {0}, text = {0};
	bool ok, gone;

	etag_path(a, &path);
	if (etag.n > 0 && etag.n < ETAG_MAX && scan_is_token(etag)) {
		buf_addf(&text, "%s %.*s\n", a->aor, SLICE_ARG(etag));
		ok = named_replace(path.p, buf_slice(&text), why);
	} else {
		ok = named_remove(path.p, &gone, why);
	}
	buf_free(&text);
	buf_free(&path);
	return ok;
}
