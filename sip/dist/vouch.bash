# Completion of vouch for bash. Verbs, options and their choices are read from "vouch help", so none can be missing here.

# The names of the verbs, one a line; some have two words.
_vouch_verbs() {
	"$1" help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\( [a-z]\{1,\}\)\{0,1\}\)  .*/\1/p' | sort -u
}

# The lines of help that are about options.
_vouch_options() {
	"$1" help "$2" 2>/dev/null | sed -n 's/^  \(-.*\)/\1/p'
}

_vouch() {
	local program=$1 word=$2 previous=$3 first=1 verb words
	local verbs
	verbs=$(_vouch_verbs "$program")
	[ "${COMP_WORDS[1]}" = help ] && first=2
	verb=${COMP_WORDS[first]}
	if [ "$COMP_CWORD" = "$first" ]; then
		words="$(printf '%s\n' "$verbs" | sed 's/ .*//' | uniq) help version"
	elif [ "$COMP_CWORD" = $((first + 1)) ] && [ "${word#-}" = "$word" ] &&
		printf '%s\n' "$verbs" | grep -q "^$verb "; then
		words=$(printf '%s\n' "$verbs" | sed -n "s/^$verb //p")
	elif [ "$first" = 2 ]; then
		words=
	else
		printf '%s\n' "$verbs" | grep -qx "$verb ${COMP_WORDS[2]}" && verb="$verb ${COMP_WORDS[2]}"
		case $word in
		-*) words=$(_vouch_options "$program" "$verb" | sed 's/,//; s/^\(-[^ ]*\) \(--[^ ]*\).*/\1 \2/; t; s/ .*//') ;;
		*) words=$(_vouch_options "$program" "$verb" | sed -n "s/^$previous \([^ ]*|[^ ]*\).*/\1/p" | tr '|' '\n') ;;
		esac
	fi
	# Where there is nothing to choose from, bash offers files (-o default).
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _vouch vouch
