# vouch: one Makefile, no configure step. `make lab` and `make check` install what they need (see tests/deps).
# User flags come last: make CFLAGS=-O1 LDFLAGS=... PREFIX=/usr DESTDIR=/tmp/pkg

PREFIX ?= /usr/local
BUILD  ?= build
OUT    ?= vouch
CFLAGS ?= -O2 -g
PYTHON ?= /usr/bin/python3

# The rooms, from the ground up, and the files of each: tests/lint/layers.sh has the same order.
ROOMS       = message transport transaction locate identity access event registrar credential proxy server verb ua
core        = err mem slice buf siphash map group secret log ini loop work rate recent harden
crypto      = cert cert_make cert_name der encode hash key key_read keywrap pbes2 pkcs8 rng seal tls tls_config \
              tls_peer tls_hello tls_reason trust
store       = file named commit user credential master journal seen words subscription binding_record binding
message     = proto scan uri addr via date header msg build edit mime digest_string
transport   = flow frame peer stream stream_input stream_time stream_tls stream_listen stun udp local listeners transport
transaction = transaction overload answered shown server client ist nist ict nict
locate      = dns_message dns hops locate routes resolve resolver reach
identity    = user_cert identity judge signer domain_cert verifier cert_cache web_url fetch replay web
access      = access auth answers challenge nonce
event       = package dialog sub way notifier notify subscribe
registrar   = registrar register register_read
credential  = publish_body turn creator state publish credentials
proxy       = proxy sender dialogs itinerary targets passage vetting fork branch outgoing forward record_route
server      = router site serve operate status control chain ends load load_doubts load_listen load_rules load_tls
verb        = account_file admin check users import start lab lab_users init setup setup_renew
ua          = account agent call answer subscriber command fetcher capture fetch_once own steps signature verify_steps \
              verb_publish verb_credential verb_certificate verb_sign verb_verify
SIP         = prompt trace usage config config_value settings report

# The tests of each room: programs of tests/unit, tests/scenario and fuzz, each in one list, and what pytest runs in
# tests/e2e and tests/interop. `make check T=room` runs those of one room, but for what is marked slow.
check_core        = $(addprefix unit/,slice list buf map group secret ini rate log loop work) scenario/recent
check_crypto      = $(addprefix unit/,encode hash key wycheproof pkcs8 seal cert cert_make cert_name trust tls) \
                    unit/tls_hostile $(addprefix fuzz/,pkcs8 cert encode) e2e/wire/test_tls.py
check_store       = $(addprefix unit/,file named commit user subscription binding journal seen credential) fuzz/record \
                    e2e/credential/test_durability.py e2e/attack/test_store.py
check_message     = $(addprefix unit/,scan uri addr via date header proto msg msg_strict torture mime edit build) \
                    unit/digest_string $(addprefix fuzz/,msg reader mime uri) e2e/wire/test_torture.py
check_transport   = $(addprefix unit/,flow frame listeners peer stream stun udp) fuzz/stream e2e/wire
check_transaction = unit/overload $(addprefix scenario/,ist nist ict nict overload) \
                    e2e/wire/test_limits.py e2e/proxy/test_methods.py e2e/attack/test_transactions.py
check_locate      = $(addprefix unit/,dns_message hops resolver reach) fuzz/dns \
                    e2e/wire/test_resolve.py interop/test_dnsmasq.py
check_config      = unit/report fuzz/config e2e/verb/test_startup.py e2e/verb/test_prompt.py
check_identity    = $(addprefix unit/,judge replay web_url identity) \
                    $(addprefix scenario/,verifier cert_cache identity inbound) e2e/identity
check_access      = scenario/digest fuzz/digest e2e/credential/test_digest.py e2e/attack/test_access.py \
                    e2e/attack/test_relay.py
check_event       = $(addprefix scenario/,notifier subscription) fuzz/dialog e2e/event
check_registrar   = scenario/registrar e2e/registrar
check_credential  = $(addprefix scenario/,credential creation) fuzz/publish e2e/credential
check_proxy       = unit/forward $(addprefix scenario/,proxy route fork failover unasked) \
                    e2e/proxy e2e/identity/test_authservice.py e2e/attack/test_relay.py e2e/attack/test_called.py
check_server      = fuzz/server e2e/attack/test_service.py e2e/attack/test_wire.py e2e/attack/test_reach.py e2e/wire/test_limits.py \
                    e2e/verb/test_admin.py
check_verb        = $(addprefix e2e/verb/test_,admin.py check.py deployment.py lab.py messages.py startup.py prompt.py usage.py)
check_ua          = $(addprefix unit/,answer account) \
                    $(addprefix e2e/verb/test_,after_412.py agent.py fetch.py sign_verify.py subscriber.py trust.py user.py)
check_interop     = interop
check_lint        = lint

TESTED   = core crypto store config $(filter-out config,$(ROOMS)) interop lint
TESTS    = $(foreach r,$(TESTED),$(check_$r))
UNIT     = $(patsubst unit/%,%,$(filter unit/%,$(TESTS)))
SCENARIO = $(patsubst scenario/%,%,$(filter scenario/%,$(TESTS)))
FUZZ     = $(patsubst fuzz/%,%,$(filter fuzz/%,$(TESTS)))
BENCH = load ceiling calls parse

WARN  = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wvla -Wcast-qual -Wformat=2
# Each flag only where the compiler has it (clang 14 lacks one, small targets another).
try   = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null >/dev/null 2>&1 && echo $(1))
HARD := -fstack-protector-strong -fPIE $(call try,-fstack-clash-protection) $(call try,-fcf-protection) \
        $(call try,-ftrivial-auto-var-init=zero)
FORTIFY ?= -D_FORTIFY_SOURCE=3
LINK  = -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
LIBS  = -lmbedtls -lmbedx509 -lmbedcrypto -levent_core -lpthread

SRC = $(foreach r,core crypto store,$($r:%=$r/%)) $(foreach r,$(ROOMS),$($r:%=sip/$r/%)) $(SIP:%=sip/%)
OBJ = $(SRC:%=$(BUILD)/%.o)
LIB = $(BUILD)/libvouch.a
CC_ALL = $(CC) -std=c11 -D_GNU_SOURCE -I. $(WARN) $(HARD) $(FORTIFY) -MMD -MP $(CFLAGS)

# What is done in a word a file; V=1 shows the commands.
Q  = $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)' $@)
JOBS = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(shell nproc))

all: $(OUT)

$(OUT): $(BUILD)/sip/main.o $(LIB)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(OBJ)
	$(call say,AR  )
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC_ALL) -c -o $@ $<

$(BUILD)/unit/%: $(BUILD)/tests/unit/test_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

unit: $(UNIT:%=$(BUILD)/unit/%)

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

# The fakes come before the library, whose own loop, work and transport are then not taken.
FAKE = $(BUILD)/tests/fake/loop.o $(BUILD)/tests/fake/work.o $(BUILD)/tests/fake/transport.o $(BUILD)/tests/fake/fetch.o
$(BUILD)/scenario/%: $(BUILD)/tests/scenario/%.o $(BUILD)/tests/scenario/world.o $(FAKE) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

scenario: $(SCENARIO:%=$(BUILD)/scenario/%)

# The fuzz targets over files, without a fuzzer: see fuzz/README.md.
$(BUILD)/replay/%: $(BUILD)/fuzz/%.o $(BUILD)/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LIBS)

replay: $(FUZZ:%=$(BUILD)/replay/%)

$(BUILD)/fuzzer/%: $(BUILD)/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LIBS)

# One target is the whole server above the fakes.
$(BUILD)/replay/server $(BUILD)/fuzzer/server: $(BUILD)/tests/scenario/world.o $(FAKE)
$(BUILD)/replay/server $(BUILD)/fuzzer/server: LIBS += -lcmocka
# One asks the reader of others, libre, which has functions of the same names: ours are hidden from it.
$(BUILD)/replay/reader $(BUILD)/fuzzer/reader: LIBS += -lre -Wl,--exclude-libs,libvouch.a

# What a build and the tests need, by Debian package. `make deps` installs what is missing, or names it elsewhere.
DEPS_BUILD = gcc make libc6-dev libmbedtls-dev libevent-dev
DEPS_CHECK = $(DEPS_BUILD) libcmocka-dev libre-dev python3 python3-pytest python3-cryptography openssl strace
DEPS_FUZZ  = $(DEPS_CHECK) clang libclang-rt-dev

deps:
	@tests/deps $(DEPS_BUILD)

# make lab LAB="--port 15060": options of "vouch lab".
lab:
	@tests/deps $(DEPS_BUILD)
	@$(MAKE) --no-print-directory $(JOBS) $(OUT)
	$(if $(filter /%,$(OUT)),,./)$(OUT) lab $(LAB)

# Without T: every program, then the lint, then all of e2e and interop.
RUN  = $(if $(T),$(foreach t,$(T),$(check_$t)),$(filter unit/% scenario/% fuzz/%,$(TESTS)) lint e2e interop)
LOST = $(filter-out $(UNIT:%=tests/unit/test_%.c) $(SCENARIO:%=tests/scenario/%.c) tests/scenario/world.c, \
                    $(wildcard tests/unit/*.c tests/scenario/*.c))
check:
	$(if $(filter-out $(TESTED),$(T)),$(error T=$(T) is no room. The rooms are: $(TESTED)))
	$(if $(LOST),$(error in the list of no room: $(LOST)))
	@tests/deps $(DEPS_CHECK)
	@$(MAKE) --no-print-directory $(JOBS) tested
	@BUILD=$(BUILD) VOUCH=$${VOUCH:-$(abspath $(OUT))} PYTHON=$(PYTHON) MARK="$(if $(T),not slow)" tests/run $(RUN)

# The benchmarks are only built, so that they go on fitting the rest.
tested: $(if $(filter e2e% interop% lint,$(RUN)),$(OUT)) $(if $(T),,$(BENCH:%=$(BUILD)/bench/%)) \
        $(addprefix $(BUILD)/,$(patsubst fuzz/%,replay/%,$(filter unit/% scenario/% fuzz/%,$(RUN))))
	@:

# Figures of speed and memory; see tests/bench/bench.py.
bench:
	@tests/deps $(DEPS_BUILD) python3
	@$(MAKE) --no-print-directory $(JOBS) $(OUT) $(BENCH:%=$(BUILD)/bench/%)
	@BUILD=$(BUILD) VOUCH=$(abspath $(OUT)) $(PYTHON) tests/bench/bench.py

# make fuzz T=msg S=60: one target for that many seconds; fuzz-all: each of them.
S ?= 60
SANITIZE = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
fuzz:
	@tests/deps $(DEPS_FUZZ)
	@$(MAKE) --no-print-directory $(JOBS) BUILD=$(BUILD)-fuzz CC=clang FORTIFY= \
	    CFLAGS="$(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined" $(BUILD)-fuzz/fuzzer/$(T)
	@fuzz/run $(BUILD)-fuzz $(T) $(S)

fuzz-all:
	@for t in $(FUZZ); do $(MAKE) --no-print-directory fuzz T=$$t S=$(S) || exit 1; done

# Everything, in a folder of its own, under AddressSanitizer and UndefinedBehaviorSanitizer; the threads under
# ThreadSanitizer.
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-asan OUT=$(BUILD)-asan/vouch FORTIFY= \
	    CFLAGS="$(SANITIZE) -fsanitize=address,undefined" check

tsan:
	@tests/deps $(DEPS_CHECK)
	@$(MAKE) --no-print-directory $(JOBS) BUILD=$(BUILD)-tsan OUT=$(BUILD)-tsan/vouch FORTIFY= \
	    CFLAGS="$(SANITIZE) -fsanitize=thread" $(BUILD)-tsan/vouch unit
	@BUILD=$(BUILD)-tsan PYTHON=$(PYTHON) tests/tsan $(filter work commit tls resolver,$(UNIT))

install: $(OUT)
	install -D -m 755 $(OUT) $(DESTDIR)$(PREFIX)/bin/vouch
	install -D -m 644 sip/vouch.8 $(DESTDIR)$(PREFIX)/share/man/man8/vouch.8
	install -D -m 644 sip/vouch.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/vouch.conf.5
	install -D -m 644 sip/dist/vouch.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/vouch
	install -D -m 644 sip/dist/_vouch $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_vouch

clean:
	rm -rf $(BUILD) $(BUILD)-fuzz $(BUILD)-asan $(BUILD)-tsan $(OUT)

.PRECIOUS: $(BUILD)/%.o
.PHONY: all unit scenario replay deps lab check tested bench fuzz fuzz-all asan tsan install clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
