#!/bin/sh
# vouch.8 has in its synopsis each option of each verb of which "vouch help" tells, and no other, and says what each of
# them is about.
program=${VOUCH:-./vouch}
case $program in */*) ;; *) program=./$program ;; esac
bad=0
verbs=$("$program" help | sed -n 's/^  \([a-z]\{1,\}\( [a-z]\{1,\}\)\{0,1\}\)  .*/\1/p' | sort -u)
[ -n "$verbs" ] || { echo "$program help lists no verbs"; exit 1; }
told=$(echo "$verbs" | while read -r verb; do
	echo "$verb"
	"$program" help "$verb" | sed -n "s/^  \(-[^ ,]*\).*/$verb \1/p" | grep -v -e ' -h$'
done | sort -u)
# ".Nm vouch VERB" begins a verb; "Fl -new" is --new.
page=$(awk '/^\.Sh / { inside = $2 == "SYNOPSIS" }
inside && /^\.Nm vouch / {
	verb = $3
	if (NF > 3)
		verb = verb " " $4
	if (verb != "help" && verb != "version")
		print verb
}
inside {
	for (i = 1; i < NF; i++)
		if ($i == "Fl" || $i == ".Fl")
			print verb " -" $(i + 1)
}' sip/vouch.8 | sort -u)
if [ "$told" != "$page" ]; then
	echo "vouch help VERB (<) and the synopsis of sip/vouch.8 (>) differ:"
	file=$(mktemp)
	echo "$told" >"$file"
	echo "$page" | diff "$file" -
	rm -f "$file"
	bad=1
fi
text=$(sed '1,/^\.Sh DESCRIPTION/d' sip/vouch.8)
for option in $(echo "$told" | sed -n 's/.* -//p' | sort -u); do
	echo "$text" | grep -q "Fl $option\( \|$\)" || { echo "vouch.8 does not say what -$option is about"; bad=1; }
done
exit $bad
