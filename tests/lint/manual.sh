#!/bin/sh
# vouch.conf.5 has every key of the table in sip/config.c, in its section, with its default and whether a change needs a
# restart, and no other.
table=$(sed -nE 's/^(TEXT|NUMBER|SWITCH|CHOICE)\("([^"]*)", "([^"]*)", [a-z0-9_]*, "([^"]*)".* (NOW|RESTART), .*/\5 \2.\3 \4/p
s/^(ADDRESSES|LISTENERS|ROUTES)\("([^"]*)", "([^"]*)".* (NOW|RESTART), .*/\4 \2.\3 /p' sip/config.c | sed 's/ $/ none/' | sort)
page=$(awk '/^\.Ss \[/ { section = substr($2, 2, length($2) - 2) }
/^\.It Cm / { key = $3 }
standard != "" { print (/^A change needs a restart\.$/ ? "RESTART " : "NOW ") standard; standard = "" }
/^Default: / { standard = section "." key " " $2 }' sip/vouch.conf.5 | sort)
[ -n "$table" ] || { echo "no table found in sip/config.c"; exit 1; }
bad=0
if [ "$table" != "$page" ]; then
	echo "sip/config.c and sip/vouch.conf.5 differ:"
	file=$(mktemp)
	echo "$table" >"$file"
	echo "$page" | diff "$file" -
	rm -f "$file"
	bad=1
fi
exit $bad
