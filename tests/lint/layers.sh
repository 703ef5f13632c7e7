#!/bin/sh
# Arrows point down (core < crypto < store < sip), foreign headers stay in their one place, files stay short.
bad=0
say() { echo "$*"; bad=1; }
forbid() { # folder, pattern, what
	found=$(grep -rnE "^#include [<\"]($2)" $1 --include=*.c --include=*.h)
	[ -z "$found" ] || say "$3: $found"
}
forbid core '(crypto|store|sip)/' 'core includes what lies above it'
forbid crypto '(store|sip)/' 'crypto includes what lies above it'
forbid store 'sip/' 'store includes what lies above it'
forbid sip/message '(store|sip/(transport|transaction|service|ua))/' 'sip/message includes what lies above it'
forbid sip/transport '(store|sip/(transaction|service|ua))/' 'sip/transport includes what lies above it'
forbid sip/transaction '(store|sip/(service|ua))/' 'sip/transaction includes what lies above it'
forbid 'core store sip' 'mbedtls/' 'mbedtls is only for crypto'
found=$(grep -rlE '^#include <event2/' core crypto store sip | grep -v '^core/loop\.c$')
[ -z "$found" ] || say "event2 is only for core/loop.c: $found"
found=$(grep -rlE '^#include <pthread' core crypto store sip | grep -v '^core/work\.c$')
[ -z "$found" ] || say "pthread.h is only for core/work.c: $found"
for f in $(find core crypto store sip -name '*.[ch]'); do
	[ "$(wc -l <"$f")" -le 600 ] || say "$f has more than 600 lines"
done
exit $bad
