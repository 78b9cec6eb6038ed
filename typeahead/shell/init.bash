# shellcheck shell=bash
# typeahead in one's own bash: eval "$(typeahead init bash)" in ~/.bashrc. In another shell than an interactive bash of
# 4.4 or newer this does nothing.
#
# What there is to see. With ble.sh (https://github.com/akinomyoga/ble.sh): grey text while typing, accepted by ble.sh's own keys.
# Without it: no grey text. Readline tells nobody that a key has been pressed; to hear of it, every key must be bound to
# shell code, and then undo, yank-pop, Tab Tab, numeric arguments and key sequences of one's own no longer work as they
# did, and grey text stays behind after keys that were missed. So there are keys, and readline's own stay as they are:
#
#   Alt-;   C-x ;   complete the line; again: the next alternative, after the last the line as it was typed.
#                   On the empty line: what is likely to come next
#   Alt-,   C-x ,   the same, the next word alone
#   C-x k           forget the line that is filled in: never suggest it again
#
# Undo (C-_) takes a suggestion back. Other keys, in readline's notation and set before: typeahead_suggest_key,
# typeahead_word_key, typeahead_forget_key ('' for none). Keys that are bound to something already are left alone.
# $__typeahead_mode says which of the two it is: "ble" or "keys"; "off" where PROMPT_COMMAND or PS0 is readonly, and so
# nothing can be done. typeahead_off takes all of it away.
#
# What is recorded: what bash has put into its history (HISTCONTROL, HISTIGNORE and set +o history are obeyed), with
# directory, status and duration. A line that is run twice in a row is not in the history twice; it is taken as run again
# if what it leaves in $_ and PIPESTATUS is the same. PS0 takes the time, so there is no DEBUG trap.
#
# No key and no prompt waits for the daemon: a process beside the shell speaks with it (typeahead/shell/relay.py), and
# has 15 ms for an answer. `typeahead init bash` sets __typeahead_python above this.
if [[ $- == *i* && ! ${__ta_dir-} && ${__typeahead_python-} ]] && ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then

__typeahead_mode=keys
if [[ ${XDG_RUNTIME_DIR-} && -w $XDG_RUNTIME_DIR && -x $XDG_RUNTIME_DIR ]]; then
    __typeahead_folder=$XDG_RUNTIME_DIR/typeahead/relay-$$
else
    __typeahead_folder=${TMPDIR:-/tmp}/typeahead-$UID/relay-$$
fi
: "${__typeahead_session:=bash-$$-$RANDOM$RANDOM}" "${__typeahead_starts:=0}" "${__typeahead_count:=0}"
: "${__typeahead_unheard:=0}" "${__typeahead_next_start:=0}" "${__typeahead_began:=}" "${__typeahead_signature:=}"
__typeahead_pid='' __typeahead_number='' __typeahead_line='' __typeahead_directory=$PWD
__typeahead_found=() __typeahead_index=0 __typeahead_several='' __typeahead_shown='' __typeahead_typed=''
__typeahead_queue=()

# Reads when a command begins; expands to nothing. Before 5.0 there are whole seconds only.
# shellcheck disable=SC2016 # bash expands it before each command
if [[ ${EPOCHREALTIME-} ]]; then
    __typeahead_ps0='${PS0:0:$((__typeahead_began=${EPOCHREALTIME//[!0-9]/},0))}'
else
    __typeahead_ps0='${PS0:0:$((__typeahead_began=SECONDS,0))}'
fi

# --- The process beside the shell -------------------------------------------------------------------------------------

# FIFOs are opened for reading and writing, each time anew: such an open never waits, and no command inherits them.
__typeahead_reachable() {
    if [[ ! $__typeahead_pid ]]; then
        [[ -O ${__typeahead_folder%/*} && -O $__typeahead_folder && -r $__typeahead_folder/pid ]] || return 1
        [[ -p $__typeahead_folder/questions && -p $__typeahead_folder/answers ]] || return 1
        builtin read -r __typeahead_pid <"$__typeahead_folder/pid" || return 1
    fi
    builtin kill -0 "$__typeahead_pid" && return
    __typeahead_pid=''
    return 1
} 2>/dev/null

# Once, and again where it has been killed, ever more seldom. In a subshell, so that there is no job and no message.
__typeahead_start() {
    __typeahead_reachable && return
    ((SECONDS >= __typeahead_next_start && __typeahead_starts < 8)) || return 0
    __typeahead_next_start=$((SECONDS + (2 << __typeahead_starts++)))
    ("$__typeahead_python" -P -m typeahead.shell.relay $$ "$__typeahead_session" </dev/null >/dev/null 2>&1 &)
}

# A process that is there and has stopped reading must not make a prompt wait for room in the FIFO.
__typeahead_send() {
    if ((__typeahead_unheard > 20000)); then
        builtin printf 'hello\t\n' 1<>"$__typeahead_folder/questions"
        builtin read -r -t 0.02 0<>"$__typeahead_folder/answers" || return 1
        __typeahead_unheard=0
    fi
    __typeahead_unheard=$((__typeahead_unheard + ${#1}))
    builtin printf '%s\n' "$1" 1<>"$__typeahead_folder/questions"
} 2>/dev/null

__typeahead_escape() {
    REPLY=${1//"\\"/"\\\\"}
    REPLY=${REPLY//$'\t'/"\\t"}
    REPLY=${REPLY//$'\n'/"\\n"}
    REPLY=${REPLY//$'\r'/"\\r"}
}

# Asks for $2 ways to go on from $1 and puts them into __typeahead_found.
__typeahead_ask() {
    local REPLY cwd fields text IFS=$'\t'
    __typeahead_found=() __typeahead_index=0 __typeahead_several=''
    ((${#1} <= 4096)) && [[ $1 || ${__typeahead_text_empty-} != off ]] && __typeahead_reachable || return 1
    __typeahead_count=$((__typeahead_count + 1))
    __typeahead_escape "$PWD"
    cwd=$REPLY
    __typeahead_escape "$1"
    __typeahead_send "suggest	$__typeahead_count	$2	$cwd	$REPLY" || return 1
    while builtin read -r -t 0.02 -a fields; do
        # An answer that came too late for an earlier question may still lie there.
        [[ ${fields[0]-} == suggest && ${fields[1]-} == "$__typeahead_count" ]] || continue
        __typeahead_unheard=0
        for text in "${fields[@]:3}"; do
            text=${text//"\\\\"/"\\"}
            [[ $text == "$1"?* && $text != *[[:cntrl:]]* ]] && __typeahead_found+=("$text")
        done
        break
    done 0<>"$__typeahead_folder/answers"
    ((${#__typeahead_found[@]}))
} 2>/dev/null

# Says that $1 ways to go on from $2 will be asked for.
__typeahead_ahead() {
    local REPLY cwd
    __typeahead_escape "$PWD"
    cwd=$REPLY
    __typeahead_escape "$2"
    __typeahead_send "ahead	$1	$cwd	$REPLY"
}

# --- What has been run ------------------------------------------------------------------------------------------------

# Sets number and line to what the history ends with. Through a file: a command substitution would be a fork. In place:
# a file that is truncated and written again is flushed to the disk at once by some file systems.
__typeahead_last() {
    local text='' file=$__typeahead_folder/line
    if [[ $__typeahead_pid ]] && { HISTTIMEFORMAT='' builtin history 1 && builtin printf '\0'; } 1<>"$file"; then
        IFS='' builtin read -r -d '' text <"$file"
    else
        text=$(HISTTIMEFORMAT='' builtin history 1)
    fi
    text=${text#"${text%%[0-9]*}"}
    number=${text%%[!0-9]*}
    text=${text:${#number}+2}
    line=${text%"${text##*[!$'\n']}"} # after a here-document there are two
} 2>/dev/null

# Before every prompt, first.
__typeahead_finish() {
    { local status=$? signature="$_ ${#PIPESTATUS[@]}" strict=${-//[!e]/}; local -; set +exu; } 2>/dev/null
    if [[ $__typeahead_began ]]; then
        [[ ${BP_PIPESTATUS+set} ]] && signature="${signature% *} ${#BP_PIPESTATUS[@]}"
        __typeahead_record "$status" "$__typeahead_began" "$signature"
        __typeahead_began=''
    fi
    [[ $strict ]] || return "$status" # with set -e that would be the end, even after Ctrl-C at the prompt
}

# Status, when it began, what it left behind.
__typeahead_record() {
    local number line now started duration REPLY cwd
    [[ -o history ]] || return 0
    __typeahead_last
    if [[ $number == "$__typeahead_number" && $line == "$__typeahead_line" ]]; then
        [[ ${HISTCONTROL-} == *@(dups|both)* && $3 == "$__typeahead_signature" ]] || return 0
    fi
    __typeahead_signature=$3
    if [[ ${EPOCHREALTIME-} ]]; then
        now=${EPOCHREALTIME//[!0-9]/}
        builtin printf -v started '%d.%06d' $(($2 / 1000000)) $(($2 % 1000000))
        builtin printf -v duration '%d.%06d' $(((now - $2) / 1000000)) $(((now - $2) % 1000000))
    else
        builtin printf -v now '%(%s)T' -1
        duration=$((SECONDS - $2)) started=$((now - SECONDS + $2))
    fi
    __typeahead_escape "$__typeahead_directory"
    cwd=$REPLY
    __typeahead_escape "$line"
    # Longer ones might fill a FIFO that nobody empties.
    ((${#line} && ${#REPLY} <= 12000)) || return 0
    __typeahead_queue+=("record	$number	$started	$duration	$1	$cwd	$REPLY")
}

# Before every prompt, last.
__typeahead_begin() {
    { local status=$? strict=${-//[!e]/} entry number line REPLY; local -; set +exu; } 2>/dev/null
    __typeahead_found=() __typeahead_shown='' __typeahead_directory=$PWD
    __typeahead_hook
    [[ ${__typeahead_bound+set} ]] || __typeahead_bind
    __typeahead_start
    __typeahead_last
    __typeahead_number=$number __typeahead_line=$line
    if __typeahead_reachable; then
        for entry in "${__typeahead_queue[@]}"; do
            __typeahead_send "$entry" || break
        done
        __typeahead_queue=()
        __typeahead_tell
        __typeahead_ahead 1 ''
    fi
    ((${#__typeahead_queue[@]} <= 100)) || __typeahead_queue=("${__typeahead_queue[@]: -100}")
    [[ $strict ]] || return "$status"
}

# In place, too; what is left of a longer text is no harm, five fields are read.
__typeahead_tell() {
    {
        builtin printf '%s\0' "${PATH-}" "${HOME-}" "${CDPATH-}"
        builtin compgen -e
        builtin printf '\0'
        builtin compgen -abk -A function
        builtin printf '\0'
    } 1<>"$__typeahead_folder/names"
    __typeahead_send names
} 2>/dev/null

# --- Keys -------------------------------------------------------------------------------------------------------------

# One suggestion comes in time more often than several do; those are asked for while it is looked at.
__typeahead_suggest() {
    { local - first=$__typeahead_shown; set +exu; } 2>/dev/null
    if [[ ${__typeahead_found[0]-} && $READLINE_LINE == "$first" ]]; then
        [[ $__typeahead_several ]] || __typeahead_alternatives "$first" || return 0
        __typeahead_index=$(((__typeahead_index + 1) % (${#__typeahead_found[@]} + 1)))
    else
        __typeahead_typed=$READLINE_LINE
        __typeahead_ask "$READLINE_LINE" 1 || return 0
        __typeahead_ahead 5 "$__typeahead_typed"
    fi
    __typeahead_show "${__typeahead_found[__typeahead_index]-$__typeahead_typed}"
}

# Puts the alternatives to $1 behind it. Fails where they are not there yet: the next press may find them.
__typeahead_alternatives() {
    local text others=()
    if __typeahead_ask "$__typeahead_typed" 5; then
        for text in "${__typeahead_found[@]}"; do
            [[ $text == "$1" ]] || others+=("$text")
        done
        __typeahead_several=1
    fi
    __typeahead_found=("$1" "${others[@]}")
    [[ $__typeahead_several ]]
}

__typeahead_word() {
    { local -; set +exu; } 2>/dev/null
    local text=${__typeahead_found[__typeahead_index]-} rest blanks
    if [[ $text != "$READLINE_LINE"?* ]]; then
        __typeahead_typed=$READLINE_LINE
        __typeahead_ask "$READLINE_LINE" 1 || return 0
        text=${__typeahead_found[0]}
    fi
    rest=${text:${#READLINE_LINE}}
    blanks=${rest%%[![:blank:]]*}
    rest=${rest:${#blanks}}
    __typeahead_show "$READLINE_LINE$blanks${rest%%[[:blank:]]*}"
    __typeahead_shown=$'\n' # not this line: what there is to go on with is the rest of this one
}

__typeahead_show() {
    READLINE_LINE=$1 READLINE_POINT=${#1} __typeahead_shown=$1
    if ((BASH_VERSINFO[0] < 5)); then # there it counts bytes
        local LC_ALL=C
        READLINE_POINT=${#1}
    fi
}

__typeahead_forget() {
    { local -; set +exu; } 2>/dev/null
    local text=${__typeahead_found[__typeahead_index]-} REPLY
    [[ $text && $text == "$READLINE_LINE" ]] && __typeahead_reachable || return 0
    __typeahead_escape "$text"
    __typeahead_send "forget	0	$REPLY"
    __typeahead_found=()
    __typeahead_show "$__typeahead_typed"
}

# At the first prompt: readline starts then anyway, and the user's own keys are bound. In vi's maps Alt is Escape and then
# another key, so that only C-x is taken there.
__typeahead_bind() {
    local - map key taken
    set +exu
    __typeahead_bound=()
    [[ ${__typeahead_shell_suggest-} == off ]] && return
    taken=$(for map in emacs vi-insert vi-command; do builtin bind -m "$map" -p -s -X; done)
    for map in emacs vi-insert vi-command; do
        for key in "${typeahead_suggest_key-\\e;}=suggest" '\C-x;=suggest' "${typeahead_word_key-\\e,}=word" \
            '\C-x,=word' "${typeahead_forget_key-\\C-xk}=forget"; do
            [[ $key == =* || $map == vi-* && $key == '\e'* || $taken == *"\"${key%=*}\":"* ]] && continue
            builtin bind -m "$map" -x "\"${key%=*}\": __typeahead_${key##*=}"
            __typeahead_bound+=("$map ${key%=*}")
        done
    done
} 2>/dev/null

# For `typeahead doctor`: shell, what it does, version, process.
# shellcheck disable=SC2154 # `typeahead init bash` sets the version above this
__typeahead_announce() { export TYPEAHEAD_INTEGRATION="bash $__typeahead_mode $__typeahead_version $$"; }

# --- ble.sh -----------------------------------------------------------------------------------------------------------

__typeahead_ble() {
    [[ ${BLE_VERSION-} && $__typeahead_mode != ble ]] || return 0
    __typeahead_mode=ble
    __typeahead_announce
    ble/util/import/eval-after-load core-complete 'ble/array#unshift _ble_complete_auto_source typeahead'
    blehook PREEXEC!=__typeahead_ble_began
    # Called while nothing is typed. _ble_edit_str is the line, _ble_edit_ind where the cursor is.
    # shellcheck disable=SC2154
    function ble/complete/auto-complete/source:typeahead {
        ((_ble_edit_ind == ${#_ble_edit_str})) && __typeahead_ask "$_ble_edit_str" 1 || return 1
        ble/complete/auto-complete/enter h 0 "${__typeahead_found[0]:${#_ble_edit_str}}" '' "${__typeahead_found[0]}"
    }
}

__typeahead_ble_began() { __typeahead_began=${EPOCHREALTIME//[!0-9]/}; }

# --- Hooks ------------------------------------------------------------------------------------------------------------

# At each prompt, since others come and go: with bash-preexec among its functions, else around what is in PROMPT_COMMAND.
__typeahead_hook() {
    { local - IFS=' '; set +exu; } 2>/dev/null
    # Some administrators make it so; assigning would end the start-up file.
    [[ ${PROMPT_COMMAND@a}${PS0@a} == *r* ]] && return 1
    if [[ ${bash_preexec_imported-}${__bp_imported-} ]]; then
        if [[ " ${precmd_functions[*]} " != *' __typeahead_precmd '* ]]; then
            __typeahead_unhook
            precmd_functions+=(__typeahead_precmd)
        fi
    elif ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
        if [[ ${PROMPT_COMMAND[0]-} != __typeahead_finish || ${PROMPT_COMMAND[-1]} != __typeahead_begin ]]; then
            __typeahead_unhook
            PROMPT_COMMAND=(__typeahead_finish "${PROMPT_COMMAND[@]}" __typeahead_begin)
        fi
    elif [[ ${PROMPT_COMMAND-} != __typeahead_finish$'\n'*$'\n'__typeahead_begin$'\n' ]]; then
        __typeahead_unhook
        builtin printf -v PROMPT_COMMAND '%s\n' __typeahead_finish "${PROMPT_COMMAND-}" __typeahead_begin
    fi
    [[ ${PS0-} == "$__typeahead_ps0"* ]] || PS0=$__typeahead_ps0${PS0-}
    shopt -q promptvars || PS0=${PS0//"$__typeahead_ps0"/} # it would be printed; then nothing is recorded
}

__typeahead_precmd() {
    __typeahead_finish
    __typeahead_begin
}

__typeahead_unhook() {
    local i
    [[ ${PROMPT_COMMAND@a}${PS0@a} == *r* ]] && return
    for i in "${!PROMPT_COMMAND[@]}"; do
        PROMPT_COMMAND[i]=${PROMPT_COMMAND[i]//__typeahead_finish/:}
        PROMPT_COMMAND[i]=${PROMPT_COMMAND[i]//__typeahead_begin/:}
        ((i)) && [[ ${PROMPT_COMMAND[i]} == : ]] && builtin unset "PROMPT_COMMAND[$i]"
    done
    [[ ${PROMPT_COMMAND[0]-} == : ]] && PROMPT_COMMAND[0]=''
    PS0=${PS0-}
    PS0=${PS0//"$__typeahead_ps0"/}
}

typeahead_off() {
    local - entry IFS=$' \t\n'
    set +exu
    __typeahead_unhook
    for entry in "${!precmd_functions[@]}"; do
        [[ ${precmd_functions[entry]} == __typeahead_precmd ]] && builtin unset "precmd_functions[$entry]"
    done
    for entry in "${__typeahead_bound[@]}"; do
        builtin bind -m "${entry%% *}" -r "${entry#* }"
    done 2>/dev/null
    if [[ $__typeahead_mode == ble ]]; then
        ble/array#remove _ble_complete_auto_source typeahead
        blehook PREEXEC-=__typeahead_ble_began
    fi
    for entry in "${!BLE_ONLOAD[@]}"; do
        [[ ${BLE_ONLOAD[entry]} == __typeahead_ble ]] && builtin unset "BLE_ONLOAD[$entry]"
    done
    __typeahead_reachable && __typeahead_send stop
    builtin unset "${!__typeahead_@}" TYPEAHEAD_INTEGRATION
    for entry in $(builtin compgen -A function __typeahead_) ble/complete/auto-complete/source:typeahead typeahead_off; do
        builtin unset -f "$entry"
    done 2>/dev/null
}

[[ " ${BLE_ONLOAD[*]-} " == *' __typeahead_ble '* ]] || BLE_ONLOAD+=(__typeahead_ble)
__typeahead_ble
__typeahead_hook || __typeahead_mode=off
__typeahead_announce

fi
