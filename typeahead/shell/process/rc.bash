# Start-up file of the bash underneath (bash --rcfile). File descriptor 0 is a private terminal without echo on which
# typeahead sends keys, 1 and 2 are the user's terminal. Five things happen on it:
#   key 036 (Ctrl-^)  run the line in $__ta_dir/line, with the user's terminal as standard input
#   Tab               on the empty line: readline is idle, so the last command has ended; report status and directory
#   key 037 (Ctrl-_)  the same without programmable completion, should it have been switched off
#   key 034 (Ctrl-\)  tell whether the line in $__ta_dir/check is a whole command
#   key 035 (Ctrl-])  answer the question of Tab in $__ta_dir/question: see complete.bash
# Records go to $__ta_dir/records; __init__.py says what they are. The file is opened read-write each time: that never
# blocks, and leaks nothing into commands.
# shellcheck disable=SC2153 # both come from the environment that typeahead sets
__ta_dir=$__TA_DIR __ta_tty=$__TA_TTY __ta_count=0 __ta_prompts=0 __ta_settled='' __ta_line='' __ta_text='' __ta_whole=''
__ta_private=${__TA_PRIVATE-} __ta_rules=$'\n' __ta_told='' __ta_ps1='' __ta_status=0 __ta_last='' __ta_pipes=(0)
__ta_starting=1
# The last hook before a prompt. What it is called by leaves no trace (set -x), what it calls may write to the terminal.
__ta_hook='{ __ta_draw 2>&3; } 3>&2 2>/dev/null'
builtin unset __TA_DIR __TA_TTY __TA_PRIVATE
builtin printf 'I\0R\0' 1<>"$__ta_dir/records"

# All that is done while readline is idle: as completions of an empty line, of which bash shows nothing and which leave
# alone what a command would change. Locals have names that nobody else gives: a user's readonly variable cannot be one.
__ta_serve() {
    { local __status=$? __options=$-; local -; set +eux; } 2>/dev/null
    case $COMP_KEY in
        1) __ta_load "$__status" "$__options" ;;
        28) __ta_check ;;
        29) __ta_completions ;;
        *) __ta_report "$__status" ;;
    esac
    COMPREPLY=()
    return "$__status"
}

__ta_report() {
    [[ $__ta_settled ]] || __ta_settle
    if [[ $__ta_starting ]]; then # so far hooks, too, have written to the private terminal
        __ta_starting=''
        exec 1<>"$__ta_tty" 2>&1 # for reading, too: `more` takes its keys from there
    fi
    # Our hook has not run as the last: removed, before one that has been added since, or Ctrl-C ended one before it.
    if [[ ${PS1-} || ${PROMPT_COMMAND[9999]-} != "$__ta_hook" ]]; then
        __ta_return "$1"
        __ta_draw
    fi
    local __rules="${HISTCONTROL-}"$'\n'"${HISTIGNORE-}"
    if [[ $__rules != "$__ta_rules" ]]; then
        __ta_rules=$__rules
        builtin printf 'H %s\0' "$__rules" 1<>"$__ta_dir/records"
    fi
    builtin printf 'D %d %d %s\0' "$__ta_count" "$1" "$PWD" 1<>"$__ta_dir/records"
    __ta_prompts=0
    # readline has drawn its own, which is empty; whoever looks now sees the user's. Without our hook it stays empty.
    __ta_is_readonly PROMPT_COMMAND || __ta_set_ps1 "$__ta_ps1"
    __ta_tell
}

# After the report, when the prompt is being drawn: no prompt waits for this. Without a fork; into a file, since a pipe
# that is full would hold the shell up for ever; in place, since a file that is truncated and written again is flushed to
# the disk at once by some file systems. What is left of a longer text is no harm: five fields are read.
__ta_tell() {
    {
        builtin printf '%s\0' "${PATH-}" "${HOME-}" "${CDPATH-}"
        builtin compgen -e || :
        builtin printf '%s\n' "${VISUAL:+VISUAL=${VISUAL//$'\n'/ }}" "${EDITOR:+EDITOR=${EDITOR//$'\n'/ }}"
        builtin printf '\0'
        builtin compgen -abk -A function
        builtin printf '\0'
    } 1<>"$__ta_dir/names"
    builtin printf 'N\0' 1<>"$__ta_dir/records"
} 2>/dev/null

# The prompts, once all hooks have run, with $? as they have seen it. readline prints PS1 even without echo: it is empty
# until readline has begun. Without programmable completion, Tab would list every command there is.
__ta_draw() {
    { local __status=$?; local -; set +eux; } 2>/dev/null
    local __left __more __editing=emacs
    # A second prompt without a report between (Ctrl-C): PS1 is still the empty one, unless a hook has set it.
    [[ ${PS1-} ]] || { ((__ta_prompts == 0)) && ! __ta_is_readonly PROMPT_COMMAND; } || __ta_set_ps1 "$__ta_ps1"
    __ta_ps1=${PS1-}
    __ta_return "$__status"
    __left=${PS1@P}
    __more=${PS2@P}
    [[ ! -o vi ]] || __editing='vi'
    if [[ "$__editing $__more" != "$__ta_told" ]]; then
        __ta_told="$__editing $__more"
        builtin printf '%s\0' "E $__editing" "2 $__more" 1<>"$__ta_dir/records"
    fi
    builtin printf 'P %s\0' "$__left" 1<>"$__ta_dir/records"
    __ta_set_ps1 ''
    __ta_line='' __ta_prompts=$((__ta_prompts + 1))
    __ta_hook_up
    builtin shopt -s progcomp
    builtin shopt -u no_empty_cmd_completion
}

__ta_is_readonly() {
    local -
    set +u
    [[ ${!1@a} == *r* ]]
}

__ta_set_ps1() { __ta_is_readonly PS1 || PS1=$1; }

# Ours stays the last hook, and out of the way of PROMPT_COMMAND=... and PROMPT_COMMAND+=(...).
__ta_hook_up() {
    ! __ta_is_readonly PROMPT_COMMAND || return 0 # as on machines where each line is logged
    local __places=("${!PROMPT_COMMAND[@]}")
    if ((${#__places[@]} && __places[-1] > 9999)); then
        builtin unset 'PROMPT_COMMAND[9999]'
        PROMPT_COMMAND=("${PROMPT_COMMAND[@]}")
    fi
    PROMPT_COMMAND[9999]=$__ta_hook
}

# Before each line, while readline is idle. The key's macro then types the command that runs $__ta_line.
__ta_load() {
    local __text=''
    # A new prompt since the last report: Ctrl-C came after the terminal was handed over, before this key was read.
    if ((__ta_prompts > 0)); then
        __ta_line='__ta_return 130 && :' __ta_status=130
        return
    fi
    IFS='' builtin read -r -d '' __text <"$__ta_dir/line" || :
    builtin printf 'L\0' 1<>"$__ta_dir/records"
    if ! __ta_expand; then
        builtin printf 'X\0' 1<>"$__ta_dir/records"
        __ta_line="__ta_return $1 && :"
        return
    fi
    builtin history -s -- "$__text"
    __ta_count=$((__ta_count + 1))
    __ta_compose "$1" "$2"
}

# History expansion as bash does it while it reads a line; not where a here-document may be, which it leaves alone. What
# comes out differently is shown.
__ta_expand() {
    local __signs=${histchars-!^} __expanded=''
    [[ -o histexpand && ($__text == *["${__signs:0:1}"]* || $__text == ["${__signs:1:1}"]*) ]] || return 0
    [[ $__text != *'<<'* ]] || return 0
    if ! builtin history -p -- "$__text" >"$__ta_dir/expanded" 2>/dev/null; then
        builtin printf '%s: %s: event not found\n' "${BASH##*/}" "$__text" >"$__ta_tty"
        return 1
    fi
    IFS='' builtin read -r -d '' __expanded <"$__ta_dir/expanded" || :
    __expanded=${__expanded%$'\n'}
    [[ $__expanded != "$__text" ]] || return 0
    __text=$__expanded
    builtin printf '%s\n' "$__text" >"$__ta_tty"
    builtin printf 'X %s\0' "$__text" 1<>"$__ta_dir/records"
}

# What is put behind a line keeps $?, $_ and PIPESTATUS for the next one, and returns 0: only so does a shell with
# `set -e` survive `! true`. A line that may be no whole command would swallow it, and is evaluated on its own. They are
# brought back where a line asks for them: a command before it is something that a DEBUG trap sees.
# shellcheck disable=SC2016 # bash expands it when the line is run
__ta_compose() {
    local __before='' __line=$__text __after='' __pipes __pattern='\$\{?[_[?]|PIPESTATUS'
    if [[ $__text != "$__ta_whole" ]] && ! __ta_is_plain && ! __ta_parse "$__text"$'\n}'; then
        __ta_text=$__text __line='builtin eval -- "$__ta_text" && :'
        # A shell with `set -e` would not survive the syntax error.
        [[ $2 != *e* ]] || __line="builtin set +e; $__line" __after=' builtin set -e;'
    fi
    if [[ $__text =~ $__pattern || $2 == *x* ]]; then
        __before="__ta_return $1 ${__ta_last@Q} && : ${__ta_last@Q}"
        if [[ $__text == *PIPESTATUS* && ${#__ta_pipes[@]} -gt 1 && $2 != *e* ]]; then
            builtin printf -v __pipes '__ta_return %d | ' "${__ta_pipes[@]}"
            __before=${__pipes% | }
        fi
        [[ $2 != *x* ]] || __before="{ builtin set -x; $__before; } 2>/dev/null" # __ta_quiet has switched it off
    fi
    __ta_status=''
    __ta_line=$__before${__before:+; }$__line$'\n''{ __ta_keep "$_" "${PIPESTATUS[@]}";'$__after' } 2>/dev/null'
}

# Words without anything special, of which none can begin what another must end.
__ta_is_plain() {
    local __words='[a-zA-Z0-9_./ :=@,+%~$?*-]*[a-zA-Z0-9_./:=@,+%~$?*-]\ *'
    local __opening='(^|[;&|])\ *(if|then|elif|else|for|while|until|do|case|select|function|time|coproc)([\ \;\&|]|$)'
    [[ $__text =~ ^$__words([\;\&|]+$__words)*$ && ! $__text =~ $__opening ]]
}

# No trace (set -x) of our own command; the line itself switches it on again.
__ta_quiet() {
    builtin set -- "$?"
    [[ ! $__ta_line ]] || builtin set +x
    return "$1"
}

__ta_keep() {
    __ta_status=$? __ta_last=$1 __ta_pipes=("${@:2}")
}

__ta_return() { return "$1"; }

# The status of the line that has just been run.
__ta_restore() {
    builtin set -- "$?"
    return "${__ta_status:-$1}"
}

# Whether a line is a whole command: the answer to key 034.
__ta_check() {
    local __text='' __number __message='' __answer=whole
    IFS='' builtin read -r -d '' __text <"$__ta_dir/check" || :
    __number=${__text%%$'\n'*} __text=${__text#*$'\n'}
    if __ta_parse "$__text"$'\n}'; then
        __ta_whole=$__text
    else
        __ta_parse "$__text" || :
        IFS='' builtin read -r __message <"$__ta_dir/parsed" || :
        case $__message in
            *': unexpected EOF while looking for matching '* | *': syntax error: unexpected end of file'*) __answer=open ;;
            *": unexpected token \`EOF' in conditional command") __answer=open ;;
            *': here-document at line '*' delimited by end-of-file '*) __answer=open ;;
            *) __answer=wrong ;;
        esac
    fi
    builtin printf 'K %d %s\0' "$__number" "$__answer" 1<>"$__ta_dir/records"
}

# Parse $1, which goes on a list whose first command leaves the process that parses it: nothing of it can ever run.
__ta_parse() (
    builtin unset -f builtin exit
    builtin unset LC_ALL
    LC_MESSAGES=C
    builtin printf '%s\n' '\builtin \exit 0; { :' "$1" >"$__ta_dir/parse"
    builtin source "$__ta_dir/parse"
) >"$__ta_dir/parsed" 2>&1 </dev/null

__ta_bind() {
    # shellcheck disable=SC2016 # bash expands it when the key is pressed
    local __map __run='builtin eval -- \"$__ta_line\" <>\"$__ta_tty\"; { __ta_restore && :; } 2>/dev/null'
    __run="\\025\\001 { __ta_quiet && :; } 2>/dev/null; $__run\\015"
    builtin bind 'set enable-bracketed-paste off' 'set bell-style none' 'set echo-control-characters off'
    for __map in emacs vi-insert vi-command; do
        builtin bind -m "$__map" '"\t": complete' '"\001": complete' '"\034": complete' '"\035": complete' "\"\\036\": \"$__run\""
        builtin bind -m "$__map" -x '"\037": __ta_repair'
    done
    builtin complete -E -F __ta_serve
} 2>/dev/null

__ta_repair() {
    local __status=$?
    __ta_bind
    __ta_return "$__status"
    __ta_draw
    __ta_report "$__status"
}

# Interrupted by Ctrl-C, ~/.bashrc ends early and so does this file: the first report then comes here.
__ta_settle() {
    __ta_settled=1
    __ta_bind
    set +o history # the lines are kept by typeahead; `history` still lists this session's
    [[ ! $__ta_private ]] || builtin unset HISTFILE
    __ta_hook_up
    if __ta_is_readonly PROMPT_COMMAND; then
        __ta_ps1=${PS1-}
        __ta_set_ps1 ''
    fi
}

# shellcheck source=typeahead/shell/process/complete.bash
. "${BASH_SOURCE[0]%/*}/complete.bash"
__ta_bind
# readline has read its init file (none) by now: programs started from here see the user's own again.
if [[ ${__TA_INPUTRC+set} ]]; then
    INPUTRC=$__TA_INPUTRC
    builtin unset __TA_INPUTRC
else
    builtin unset INPUTRC
fi
[[ ! ${__TA_VI-} ]] || set -o vi # the user's init file says so
builtin unset __TA_VI
# What ~/.bashrc prints goes to the private terminal: typeahead puts it above the prompt, which is there already. What it
# asks, the user answers.
exec >&0 2>&0
# shellcheck source=/dev/null
[[ -r ~/.bashrc ]] && . ~/.bashrc <>"$__ta_tty"
{ __ta_settle; } 2>/dev/null
