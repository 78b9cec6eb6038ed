# Start-up file of the bash underneath (bash --rcfile). File descriptor 0 is a private terminal without echo on which
# typeahead sends keys, 1 and 2 are the user's terminal. Three things happen on it:
#   key 036 (Ctrl-^)  run the line in $__ta_dir/line, with the user's terminal as standard input
#   Tab               on the empty line: readline is idle, so the last command has ended; report status and directory
#   key 037 (Ctrl-_)  the same without programmable completion, should it have been switched off
# Records on $__ta_dir/records end in NUL: "I" (job control is initialised), "R" (this file has been read), "L" (the line
# has been read), "H <HISTCONTROL>", newline, "<HISTIGNORE>" (they have changed), "D <lines run> <status> <directory>",
# "N" ($__ta_dir/names says what the shell knows now). The file is opened read-write each time: that never blocks, and leaks
# nothing into commands.
# shellcheck disable=SC2153 # both come from the environment that typeahead sets
__ta_dir=$__TA_DIR __ta_tty=$__TA_TTY __ta_count=0 __ta_prompts=0 __ta_settled='' __ta_line=''
__ta_private=${__TA_PRIVATE-} __ta_rules=$'\n'
builtin unset __TA_DIR __TA_TTY __TA_PRIVATE
builtin printf 'I\0' 1<>"$__ta_dir/records"

__ta_report() {
    { local status=$?; local -; set +x; } 2>/dev/null
    [[ $__ta_settled ]] || __ta_settle
    if [[ "${HISTCONTROL-}"$'\n'"${HISTIGNORE-}" != "$__ta_rules" ]]; then
        __ta_rules="${HISTCONTROL-}"$'\n'"${HISTIGNORE-}"
        builtin printf 'H %s\0' "$__ta_rules" 1<>"$__ta_dir/records"
    fi
    builtin printf 'D %d %d %s\0' "$__ta_count" "$status" "$PWD" 1<>"$__ta_dir/records"
    __ta_prompts=0
    __ta_tell
    COMPREPLY=()
    return "$status"
}

# After the report, when the prompt is being drawn: no prompt waits for this. Without a fork; into a file, since a pipe
# that is full would hold the shell up for ever; in place, since a file that is truncated and written again is flushed to
# the disk at once by some file systems. What is left of a longer text is no harm: five fields are read.
__ta_tell() {
    {
        builtin printf '%s\0' "${PATH-}" "${HOME-}" "${CDPATH-}"
        builtin compgen -e || :
        builtin printf '\0'
        builtin compgen -abk -A function
        builtin printf '\0'
    } 1<>"$__ta_dir/names"
    builtin printf 'N\0' 1<>"$__ta_dir/records"
} 2>/dev/null

__ta_load() {
    { local status=$?; local -; set +x; } 2>/dev/null
    # A new prompt since the last report: Ctrl-C came after the terminal was handed over, before this key was read.
    if ((__ta_prompts > 0)); then
        __ta_line='__ta_interrupted'
        return
    fi
    IFS='' builtin read -r -d '' __ta_line <"$__ta_dir/line" || :
    builtin printf 'L\0' 1<>"$__ta_dir/records"
    builtin history -s -- "$__ta_line"
    __ta_count=$((__ta_count + 1))
    return "$status"
}

__ta_interrupted() { return 130; }

# Runs last before every prompt: readline prints the prompt even without echo, and hooks like to set it. Without
# programmable completion, Tab would list every command there is.
__ta_silence() {
    { local -; set +x; } 2>/dev/null
    PS1='' PS2='' __ta_prompts=$((__ta_prompts + 1))
    builtin shopt -s progcomp
    builtin shopt -u no_empty_cmd_completion
}

__ta_bind() {
    local map
    builtin bind 'set enable-bracketed-paste off' 'set bell-style none' 'set echo-control-characters off'
    for map in emacs vi-insert vi-command; do
        builtin bind -m "$map" '"\t": complete'
        # shellcheck disable=SC2016 # bash expands it when the key is pressed
        builtin bind -m "$map" '"\036": "\025 __ta_load 2>/dev/null; builtin eval -- \"$__ta_line\" <>\"$__ta_tty\"\015"'
        builtin bind -m "$map" -x '"\037": __ta_repair'
    done
    builtin complete -E -F __ta_report
} 2>/dev/null

__ta_repair() {
    local status=$?
    __ta_bind
    __ta_silence
    (builtin exit "$status")
    __ta_report
}

# Interrupted by Ctrl-C, ~/.bashrc ends early and so does this file: the first report then comes here.
__ta_settle() {
    __ta_settled=1
    __ta_bind
    set +o history # the lines are kept by typeahead; `history` still lists this session's
    [[ ! $__ta_private ]] || builtin unset HISTFILE
    __ta_prompt=${PS1-}
    __ta_silence
    PROMPT_COMMAND[9999]=__ta_silence # last, and out of the way of PROMPT_COMMAND=...
    exec >"$__ta_tty" 2>&1
}

__ta_bind
# readline has read its init file (none) by now: programs started from here see the user's own again.
if [[ ${__TA_INPUTRC+set} ]]; then
    INPUTRC=$__TA_INPUTRC
    builtin unset __TA_INPUTRC
else
    builtin unset INPUTRC
fi
# What ~/.bashrc prints goes to the private terminal: typeahead puts it above the prompt, which is there already.
exec >&0 2>&0
# shellcheck source=/dev/null
[[ -r ~/.bashrc ]] && . ~/.bashrc
__ta_settle
builtin printf 'R\0' 1<>"$__ta_dir/records"
