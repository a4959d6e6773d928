# bash completion for chancery. It asks the program: the commands and options of the help are
# the only list there is.
_chancery() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local -a path=()
	local word skip=0
	COMPREPLY=()
	case $previous in
	--state | --out | --ca | --cert | --key | --csr | --token-file | --module | --head | --crl | --certificate | --from | \
		--document | --verify)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--role)
		mapfile -t COMPREPLY < <(compgen -W 'requester officer auditor admin' -- "$current")
		return
		;;
	--key-type | --type)
		mapfile -t COMPREPLY < <(compgen -W 'p256 p384 p521 rsa2048 rsa3072 rsa4096 ed25519' -- "$current")
		return
		;;
	--pin | --so-pin | --new-pin | --code)
		mapfile -t COMPREPLY < <(compgen -W 'file: credential: fd: prompt shares:' -- "$current")
		return
		;;
	--reason)
		[[ " ${COMP_WORDS[*]} " == *" cert "* ]] || return
		mapfile -t COMPREPLY < <(compgen -W 'unspecified keyCompromise affiliationChanged superseded
			cessationOfOperation privilegeWithdrawn' -- "$current")
		return
		;;
	--standing)
		mapfile -t COMPREPLY < <(compgen -W 'good not-good unknown' -- "$current")
		return
		;;
	--contact)
		mapfile -t COMPREPLY < <(compgen -W 'administrative: technical:' -- "$current")
		return
		;;
	--profile)
		mapfile -t COMPREPLY < <(compgen -W 'server-dv server-ov server-ev client peer short-lived' -- "$current")
		return
		;;
	esac
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [ $skip = 1 ]; then
			skip=0
		elif [[ $word == --state || $word == --server || $word == --ca || $word == --cert || $word == --key ]]; then
			skip=1
		elif [[ $word != -* && ${#path[@]} -lt 3 ]]; then
			path+=("$word")
		fi
	done
	local help
	help=$("${COMP_WORDS[0]}" "${path[@]}" --help 2>/dev/null || "${COMP_WORDS[0]}" "${path[0]:---help}" --help 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$(awk '/^  --/ { print $1 } /^  [a-z]/ { print $1 }' <<<"$help")" -- "$current")
	[ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _chancery chancery
