/* A phone of sofia-sip's NUA. A line of standard input is a command, what happens is a line of standard output. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUA_MAGIC_T struct phone
#define NUA_HMAGIC_T void

#include <sofia-sip/nua.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/soa.h>
#include <sofia-sip/soa_tag.h>
#include <sofia-sip/su_tag_io.h>
#include <sofia-sip/tport_tag.h>

struct phone {
	su_root_t *root;
	nua_t *nua;
	nua_handle_t *account, *call;
	const char *proof;   /* Digest:REALM:USER:PASSWORD, as NUTAG_AUTH has it */
	const char *contact; /* NULL: what NUA makes of its own address, which is a sips URI on TLS */
	char line[1024];
	size_t length;
};

#define CONTACT(p) TAG_IF((p)->contact, SIPTAG_CONTACT_STR((p)->contact))

/* challenged: was the answer a challenge? It is answered. The realm is that of the challenge: we have one server. */
static bool challenged(struct phone *p, nua_handle_t *nh, int status)
{
	if (status != 401 && status != 407)
		return false;
	nua_authenticate(nh, NUTAG_AUTH(p->proof), TAG_END());
	return true;
}

static void say_from(const char *what, const sip_t *sip)
{
	printf("%s " URL_PRINT_FORMAT, what, URL_PRINT_ARGS(sip->sip_from->a_url));
}

/* The call is over, or another one that was refused is. */
static void forget(struct phone *p, nua_handle_t *nh)
{
	if (p->call == nh)
		p->call = NULL;
	nua_handle_destroy(nh);
}

static const char *direction(int active)
{
	switch (active) {
	case SOA_ACTIVE_SENDRECV:
		return "sendrecv";
	case SOA_ACTIVE_SENDONLY:
		return "sendonly";
	case SOA_ACTIVE_RECVONLY:
		return "recvonly";
	default:
		return "inactive";
	}
}

static void state_changed(struct phone *p, nua_handle_t *nh, tagi_t tags[])
{
	int state = nua_callstate_init, audio = SOA_ACTIVE_DISABLED;

	tl_gets(tags, NUTAG_CALLSTATE_REF(state), SOATAG_ACTIVE_AUDIO_REF(audio), TAG_END());
	if (state == nua_callstate_ready)
		printf("talking %s\n", direction(audio));
	if (state == nua_callstate_terminated) {
		if (p->call == nh)
			printf("ended\n");
		forget(p, nh);
	}
}

/* A second call is refused, as by a phone with one line. */
static void called(struct phone *p, nua_handle_t *nh, const sip_t *sip)
{
	if (p->call && p->call != nh) {
		nua_respond(nh, SIP_486_BUSY_HERE, TAG_END());
		return;
	}
	if (p->call == nh)
		return; /* a re-INVITE, which NUA answers */
	p->call = nh;
	nua_respond(nh, SIP_180_RINGING, CONTACT(p), TAG_END());
	say_from("incoming", sip);
	printf("\n");
}

static void happened(nua_event_t event, int status, const char *phrase, nua_t *nua, struct phone *p, nua_handle_t *nh,
		     void *hmagic, const sip_t *sip, tagi_t tags[])
{
	(void)nua;
	(void)hmagic;
	switch (event) {
	case nua_r_register:
	case nua_r_unregister:
	case nua_r_message:
	case nua_r_invite:
	case nua_r_bye:
		if (!challenged(p, nh, status))
			printf("%s %d %s\n", nua_event_name(event) + strlen("nua_r_"), status, phrase);
		if (event == nua_r_message && status >= 200 && status != 401 && status != 407)
			nua_handle_destroy(nh);
		break;
	case nua_r_cancel:
		printf("cancel %d\n", status);
		break;
	case nua_i_invite:
		called(p, nh, sip);
		break;
	case nua_i_cancel:
		printf("cancelled\n");
		break;
	case nua_i_bye:
		printf("bye\n");
		break;
	case nua_i_state:
		state_changed(p, nh, tags);
		break;
	case nua_i_message:
		say_from("message of", sip);
		printf(": %.*s\n", (int)sip->sip_payload->pl_len, sip->sip_payload->pl_data);
		break;
	case nua_r_shutdown:
		if (status >= 200)
			su_root_break(p->root);
		break;
	default:
		break;
	}
	fflush(stdout);
}

static nua_handle_t *to(struct phone *p, const char *uri)
{
	return nua_handle(p->nua, NULL, NUTAG_URL(uri), SIPTAG_TO_STR(uri), TAG_END());
}

static void obey(struct phone *p, char *line)
{
	const char *word = strtok(line, " "), *uri = strtok(NULL, " "), *text = strtok(NULL, "");

	if (!word)
		return;
	if (strcmp(word, "call") == 0 && uri) {
		p->call = to(p, uri);
		nua_invite(p->call, CONTACT(p), TAG_END());
	} else if (strcmp(word, "message") == 0 && text) {
		nua_message(to(p, uri), SIPTAG_CONTENT_TYPE_STR("text/plain"), SIPTAG_PAYLOAD_STR(text), TAG_END());
	} else if (strcmp(word, "quit") == 0) {
		nua_shutdown(p->nua);
	} else if (!p->call) {
		printf("no call to %s\n", word);
	} else if (strcmp(word, "answer") == 0) {
		nua_respond(p->call, SIP_200_OK, CONTACT(p), TAG_END());
	} else if (strcmp(word, "refuse") == 0) {
		nua_respond(p->call, SIP_486_BUSY_HERE, TAG_END());
	} else if (strcmp(word, "cancel") == 0) {
		nua_cancel(p->call, TAG_END());
	} else if (strcmp(word, "bye") == 0) {
		nua_bye(p->call, TAG_END());
	} else if (strcmp(word, "hold") == 0) {
		nua_invite(p->call, CONTACT(p), SOATAG_HOLD("audio"), TAG_END());
	} else if (strcmp(word, "resume") == 0) {
		nua_invite(p->call, CONTACT(p), SOATAG_HOLD(""), TAG_END());
	}
	fflush(stdout);
}

/* Standard input is readable; at its end the phone ends, too. */
static int read_input(su_root_magic_t *magic, su_wait_t *wait, su_wakeup_arg_t *arg)
{
	struct phone *p = arg;
	ssize_t n = read(STDIN_FILENO, p->line + p->length, sizeof(p->line) - 1 - p->length);
	char *end;

	(void)magic;
	(void)wait;
	if (n <= 0) {
		su_root_break(p->root);
		return 0;
	}
	p->length += (size_t)n;
	p->line[p->length] = '\0';
	while ((end = strchr(p->line, '\n'))) {
		*end++ = '\0';
		obey(p, p->line);
		p->length -= (size_t)(end - p->line);
		memmove(p->line, end, p->length + 1);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct phone p = {0};
	char aor[256], own[256], contact[256], proxy[256], proof[512];
	su_wait_t input;

	if (argc != 7) {
		fprintf(stderr, "usage: nua NAME PASSWORD udp|tcp|tls|sips PORT SERVER-PORT FOLDER-OF-CAFILE.PEM\n");
		return 2;
	}
	const char *name = argv[1], *transport = argv[3], *port = argv[4];
	bool sips = strcmp(transport, "sips") == 0, tls = sips || strcmp(transport, "tls") == 0;
	snprintf(aor, sizeof(aor), "%s:%s@example.com", sips ? "sips" : "sip", name);
	snprintf(own, sizeof(own), tls ? "sips:127.0.0.1:%s" : "sip:127.0.0.1:%s;transport=%s", port, transport);
	snprintf(contact, sizeof(contact), "<sip:%s@127.0.0.1:%s;transport=tls>", name, port);
	snprintf(proxy, sizeof(proxy), sips ? "sips:127.0.0.1:%s" : "sip:127.0.0.1:%s;transport=%s", argv[5],
		 transport);
	snprintf(proof, sizeof(proof), "Digest:\"example.com\":%s:%s", name, argv[2]);
	p.proof = proof;
	p.contact = tls && !sips ? contact : NULL;

	su_init();
	p.root = su_root_create(&p);
	p.nua = nua_create(p.root, happened, &p, NUTAG_URL(own), NUTAG_PROXY(proxy), NUTAG_REGISTRAR(proxy),
			   SIPTAG_FROM_STR(aor), NUTAG_M_USERNAME(name), TAG_IF(tls, NUTAG_CERTIFICATE_DIR(argv[6])),
			   TAG_IF(tls, TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_OUT)), SOATAG_ADDRESS("127.0.0.1"),
			   SOATAG_USER_SDP_STR("m=audio 9000 RTP/AVP 0 8"), NUTAG_AUTOALERT(0), TAG_END());
	if (!p.nua || su_wait_create(&input, STDIN_FILENO, SU_WAIT_IN) != 0 ||
	    su_root_register(p.root, &input, read_input, &p, 0) < 0) {
		fprintf(stderr, "nua: no phone at %s\n", own);
		return 1;
	}
	p.account = to(&p, aor);
	nua_register(p.account, CONTACT(&p), TAG_END());
	su_root_run(p.root);
	return 0;
}
