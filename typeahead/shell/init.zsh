# What `typeahead init zsh` prints, after a few assignments: suggestions in grey in your own zsh, and every line you run
# told to typeahead's daemon with its directory, status and duration. `typeahead_off` takes all of it back.
#
# One connection a prompt, in the plain dialect of typeahead's protocol: opened before the prompt, closed before a line
# runs, so that no program inherits it. No process is started for a key, and none waits: what the daemon answers comes by
# `zle -F`. Without a daemon everything here is silent, and one is started in the background.
#
# Given: __typeahead_python and __typeahead_version, and where they are not the defaults, settings by the names they have
# in the file of settings: __typeahead_text_empty=off, __typeahead_keys_accept='right end'.
# shellcheck shell=bash disable=all # zsh is beyond it; `zsh -n` and the tests look
if [[ -o interactive && -o zle && ${TERM-} != dumb && -z ${__ta_dir-} && -z ${functions[typeahead_off]-} ]] &&
    zmodload zsh/net/socket zsh/system zsh/datetime zsh/zselect 2>/dev/null; then

typeset -g __typeahead_fd= __typeahead_starting= __typeahead_inbox=
typeset -g __typeahead_session="zsh-$$-${EPOCHREALTIME/.}"
typeset -gi __typeahead_id=$(( EPOCHREALTIME * 1000 ))
typeset -ga __typeahead_journal=() # records, as they are sent, that the daemon has not confirmed
typeset -g __typeahead_command= __typeahead_folder= __typeahead_started= __typeahead_told=
typeset -gF __typeahead_next_start=0 __typeahead_start_delay=1 __typeahead_next_try=0 __typeahead_try_delay=0.2
typeset -gi __typeahead_unheard=0 __typeahead_unanswered=0 __typeahead_question=0 __typeahead_dismissed_daemon=0
typeset -g __typeahead_draws= __typeahead_ready= __typeahead_off= # who draws: "own", or a plugin's name
typeset -g __typeahead_typed= __typeahead_asked=$'\n' __typeahead_line= __typeahead_shown= __typeahead_turn= __typeahead_stale=
typeset -ga __typeahead_alternatives=() __typeahead_modes=()
typeset -gA __typeahead_originals=() __typeahead_forgotten=()
typeset -g __typeahead_style= __typeahead_unsafe='[[:cntrl:]]'
[[ $ZSH_VERSION == (5.<9->|<6->.<->)* ]] && typeset -g __typeahead_memo=' memo=typeahead' || typeset -g __typeahead_memo=

typeset -gA __typeahead_keys=(
    accept           "${__typeahead_keys_accept-right end c-e c-f}"
    accept_word      "${__typeahead_keys_accept_word-alt-f c-right}"
    accept_part      "${__typeahead_keys_accept_part-alt-right}"
    accept_character "${__typeahead_keys_accept_character-alt-c-f}"
    accept_and_run   "${__typeahead_keys_accept_and_run-}"
    next             "${__typeahead_keys_next-alt-n}"
    previous         "${__typeahead_keys_previous-alt-p}"
    dismiss          "${__typeahead_keys_dismiss-c-g}"
    forget           "${__typeahead_keys_forget-s-delete c-x,k}"
    toggle           "${__typeahead_keys_toggle-c-x,s}"
)

# The conversation

# Leaves where the daemon listens in REPLY; fails where nobody of this user's does.
__typeahead_find() {
    if [[ -n ${TYPEAHEAD_SOCKET-} ]]; then
        REPLY=$TYPEAHEAD_SOCKET
    elif [[ -n ${XDG_RUNTIME_DIR-} && -w $XDG_RUNTIME_DIR && -x $XDG_RUNTIME_DIR ]]; then
        REPLY=$XDG_RUNTIME_DIR/typeahead/daemon.sock
    else
        REPLY=${TMPDIR:-/tmp}/typeahead-$EUID/daemon.sock
    fi
    [[ -S $REPLY && -O $REPLY && -O ${REPLY:h} ]]
}

# Leaves $1 in REPLY as it is written in a field.
__typeahead_escape() {
    REPLY=$1
    [[ $1 == *[$'\\\t\n\r']* ]] || return 0
    REPLY=${REPLY//\\/\\\\}
    REPLY=${REPLY//$'\t'/\\t}
    REPLY=${REPLY//$'\n'/\\n}
    REPLY=${REPLY//$'\r'/\\r}
}

# Leaves a suggested line, $1 as it is written in a field, in REPLY. Fails where it holds what would run it, drive the
# terminal or change how it reads.
__typeahead_unescape() {
    [[ $1 != *${~__typeahead_unsafe}* ]] || return
    REPLY=${1//\\\\/$'\1'} # two backslashes are one; of what remains, each begins a tab or the end of a line
    [[ $REPLY != *\\* ]] && REPLY=${REPLY//$'\1'/\\}
}

# Never waits: what is sent on one connection before an answer fits into the socket's buffer.
__typeahead_send() {
    [[ -n $__typeahead_fd ]] && syswrite -o $__typeahead_fd -- "${(pj:\t:)@}"$'\n' 2>/dev/null && return
    __typeahead_hang_up
    return 1
}

# A daemon that takes connections and says nothing is tried ever more seldom: a queue that is full would hold us up. One
# that a few fast lines gave no time to answer is none such.
__typeahead_connect() {
    [[ -n $__typeahead_fd ]] && return
    (( EPOCHREALTIME >= __typeahead_next_try )) || return
    local REPLY record
    __typeahead_find && zsocket $REPLY 2>/dev/null || return
    exec {__typeahead_fd}<&$REPLY {REPLY}<&- # one above those that scripts use
    if (( ++__typeahead_unheard > 8 )); then
        (( __typeahead_next_try = EPOCHREALTIME + __typeahead_try_delay ))
        (( __typeahead_try_delay = __typeahead_try_delay < 150 ? __typeahead_try_delay * 2 : 300 ))
    fi
    __typeahead_inbox= __typeahead_unanswered=0 __typeahead_asked=$'\n'
    __typeahead_send hello $__typeahead_session || return
    for record in "${(@)__typeahead_journal[1,50]}"; do # that many fit for sure; each answer makes room for one more
        __typeahead_send $record || return
    done
    zle -F -w $__typeahead_fd __typeahead-answer
    __typeahead_tell
}

# Closes the connection, once what has come is read.
__typeahead_hang_up() {
    [[ -n $__typeahead_fd ]] || return 0
    local fd=$__typeahead_fd
    zle -F $fd 2>/dev/null
    __typeahead_read
    __typeahead_fd=
    { exec {fd}<&- } 2>/dev/null
}

# Tells the names that are commands here, and the variables that matter, where they or the daemon have changed.
__typeahead_tell() {
    local -a stat names
    zmodload -F zsh/stat b:zstat 2>/dev/null && local REPLY && __typeahead_find && zstat -A stat +inode $REPLY 2>/dev/null
    local state="$stat:${#aliases}:${#functions}:$PATH:$HOME:$CDPATH"
    [[ $state != "$__typeahead_told" ]] || return 0
    names=(${(k)aliases} ${${(k)functions}:#_*} ${(k)builtins} $reswords)
    names=(${names:#*[[:cntrl:]\\]*})
    (( ${#${(j: :)names}} < 60000 )) && __typeahead_send names $names
    names=(PATH=$PATH HOME=$HOME CDPATH=$CDPATH ${^${(k)parameters[(R)*export*]}:#(PATH|HOME|CDPATH)}=)
    names=(${names:#*[[:cntrl:]\\]*})
    (( ${#${(j: :)names}} < 60000 )) && __typeahead_send environ $names
    __typeahead_told=$state
}

# Starts a daemon in the background, and connects as soon as it listens.
__typeahead_start() {
    [[ -x $__typeahead_python && -z $__typeahead_starting ]] || return 0
    (( EPOCHREALTIME >= __typeahead_next_start )) || return 0
    (( __typeahead_next_start = EPOCHREALTIME + __typeahead_start_delay ))
    (( __typeahead_start_delay = __typeahead_start_delay < 60 ? __typeahead_start_delay * 2 : 60 ))
    exec {__typeahead_starting}< <(
        exec 2>/dev/null
        integer tries
        "$__typeahead_python" -P -m typeahead.shell.daemon --detached </dev/null >/dev/null &
        until __typeahead_find && zsocket $REPLY || (( ++tries > 100 )); do zselect -t 5; done
    )
    zle -F -w $__typeahead_starting __typeahead-started
}

__typeahead-started() {
    emulate -L zsh
    __typeahead_next_try=0
    __typeahead_connect # before the other is closed: a second watch of one number is not looked at before the next key
    __typeahead_stop_waiting
    __typeahead-redraw
    zle -R
}

__typeahead_stop_waiting() {
    [[ -n $__typeahead_starting ]] || return 0
    zle -F $__typeahead_starting 2>/dev/null
    exec {__typeahead_starting}<&-
    __typeahead_starting=
}

# Reads what has come, without waiting, and acts on it; fails at the end of the connection.
__typeahead_read() {
    local data line ended
    local -a lines fields
    while [[ -n $__typeahead_fd ]]; do
        sysread -i $__typeahead_fd -s 65536 -t 0 data 2>/dev/null
        case $? in
            0) __typeahead_inbox+=$data ;;
            4) break ;; # nothing there
            *) ended=1; break ;;
        esac
    done
    while [[ $__typeahead_inbox == *$'\n'* ]]; do
        line=${__typeahead_inbox%%$'\n'*}
        __typeahead_inbox=${__typeahead_inbox#*$'\n'}
        fields=("${(@ps:\t:)line}")
        __typeahead_take "${(@)fields}"
    done
    [[ -z $ended ]]
}

# Acts on one message.
__typeahead_take() {
    __typeahead_unheard=0 __typeahead_try_delay=0.2 __typeahead_next_try=0 __typeahead_start_delay=1
    local tab=$'\t'
    case $1 in
        hello) __typeahead_greet "$2" ;;
        suggest)
            (( __typeahead_unanswered-- ))
            [[ $2 != $__typeahead_question || $3 == overtaken ]] || __typeahead_offer "${@:4}"
            ;;
        record)
            __typeahead_journal=("${(@)__typeahead_journal:#record$tab$2$tab*}")
            [[ -z ${__typeahead_journal[50]-} ]] || __typeahead_send "${__typeahead_journal[50]}"
            ;;
        error) # a record that cannot be kept will not be kept next time either
            [[ $2 != $__typeahead_question ]] || (( __typeahead_unanswered-- ))
            __typeahead_journal=("${(@)__typeahead_journal:#record$tab${2:-none}$tab*}")
            ;;
        state | forget) __typeahead_asked=$'\n' ;; # ask again
    esac
}

# Has a daemon that is older than this file make room for its successor.
__typeahead_greet() {
    [[ $1 != "$__typeahead_version" && -n $1 ]] && (( ! __typeahead_dismissed_daemon )) || return 0
    autoload -Uz is-at-least
    is-at-least "$__typeahead_version" "$1" && return
    __typeahead_dismissed_daemon=1 __typeahead_next_start=0
    __typeahead_send stop
}

# Keeps the lines of an answer, $@, best first: to be drawn, or the alternatives that the user has asked for.
__typeahead_offer() {
    local field REPLY
    local -a found
    for field; do
        __typeahead_unescape "$field" && [[ -z ${__typeahead_forgotten[$REPLY]-} ]] && found+=("$REPLY")
    done
    if [[ -n $__typeahead_turn ]]; then
        __typeahead_alternatives=(${__typeahead_line:+"$__typeahead_line"} "${(@)found:#$__typeahead_line}")
        __typeahead_step $__typeahead_turn
        __typeahead_turn=
    elif [[ -n $__typeahead_stale || -z $__typeahead_line || ${found[1]-} == "$__typeahead_line"* ]]; then
        # What is shown and still fits what is typed on stays: grey text must not flicker.
        __typeahead_line=${found[1]-}
    fi
    __typeahead_stale=
}

# Beginning, prompts, lines, end

# Chooses who draws: we, or zsh-autosuggestions where it is loaded, for which we are then a strategy.
__typeahead_attach() {
    __typeahead_draws=own
    [[ ${__typeahead_shell_suggest-on} == off ]] && __typeahead_draws=nothing
    if (( $+functions[_zsh_autosuggest_start] )); then
        __typeahead_draws=zsh-autosuggestions
        typeset -ga ZSH_AUTOSUGGEST_STRATEGY
        [[ ${__typeahead_shell_suggest-on} == off ]] ||
            ZSH_AUTOSUGGEST_STRATEGY=(typeahead ${${=ZSH_AUTOSUGGEST_STRATEGY}:#typeahead})
    fi
    # For `typeahead doctor`: shell, who draws, version, process.
    export TYPEAHEAD_INTEGRATION="zsh $__typeahead_draws $__typeahead_version $$"
    [[ $__typeahead_draws == own ]] || return 0
    __typeahead_choose_style
    (( $+functions[_zsh_highlight] )) && ZSH_HIGHLIGHT_HIGHLIGHTERS+=(typeahead)
    add-zle-hook-widget line-init __typeahead-line-init
    add-zle-hook-widget line-pre-redraw __typeahead-redraw
    add-zle-hook-widget line-finish __typeahead-line-finish
    add-zle-hook-widget isearch-update __typeahead-isearch
    __typeahead_bind
}

__typeahead_detach() {
    local name map
    add-zle-hook-widget -d line-init __typeahead-line-init
    add-zle-hook-widget -d line-pre-redraw __typeahead-redraw
    add-zle-hook-widget -d line-finish __typeahead-line-finish
    add-zle-hook-widget -d isearch-update __typeahead-isearch
    for name in "${(@k)__typeahead_originals}"; do
        map=${name%% *}
        if [[ ${__typeahead_originals[$name]} == (|undefined-key) ]]; then
            bindkey -M $map -r -- "${name#* }"
        else
            bindkey -M $map -- "${name#* }" "${__typeahead_originals[$name]}"
        fi
    done
    for name in "${(@)__typeahead_modes}"; do
        bindkey -M ${name%% *} -r -- "${name#* }"
    done
    __typeahead_originals=() __typeahead_modes=()
    if (( $+ZSH_HIGHLIGHT_HIGHLIGHTERS )); then
        ZSH_HIGHLIGHT_HIGHLIGHTERS=(${ZSH_HIGHLIGHT_HIGHLIGHTERS:#typeahead})
    fi
}

__typeahead_choose_style() {
    if [[ -n ${NO_COLOR-} ]]; then
        __typeahead_style=underline
    elif [[ -n ${ZSH_AUTOSUGGEST_HIGHLIGHT_STYLE-} ]]; then
        __typeahead_style=$ZSH_AUTOSUGGEST_HIGHLIGHT_STYLE
    elif (( ${terminfo[colors]:-8} > 8 )); then
        __typeahead_style=fg=8
    else
        __typeahead_style=underline # one of eight colours is too much or too little somewhere
    fi
}

__typeahead_precmd() {
    local __typeahead_status=$?
    emulate -L zsh
    local REPLY record folder duration
    if [[ -z $__typeahead_draws ]]; then
        if (( $+functions[zvm_init] )) && [[ -z ${ZVM_INIT_DONE-} ]]; then # it binds all keys anew when it begins
            typeset -ga zvm_after_init_commands
            zvm_after_init_commands+=(__typeahead_bind)
        fi
        __typeahead_attach
    elif [[ $__typeahead_draws == own && -n ${functions[_zsh_autosuggest_start]-} ]]; then # loaded late
        __typeahead_detach
        __typeahead_attach
    fi
    if [[ -n $__typeahead_command ]]; then
        __typeahead_escape "$__typeahead_folder"
        folder=$REPLY
        __typeahead_escape "$__typeahead_command"
        typeset -F 3 duration=$(( EPOCHREALTIME - __typeahead_started ))
        record="record"$'\t'"$(( ++__typeahead_id ))"$'\t'"$__typeahead_started"$'\t'"$duration"
        record+=$'\t'"$__typeahead_status"$'\t'"$folder"$'\t'"$REPLY"
        __typeahead_command=
        if (( $#record < 60000 )); then
            __typeahead_journal=("${(@)__typeahead_journal[$(( $#__typeahead_journal < 1000 ? 1 : 2 )),-1]}" "$record")
            [[ -z $__typeahead_fd ]] || __typeahead_send $record
        fi
    fi
    __typeahead_connect
    [[ -n $__typeahead_fd ]] || __typeahead_start
}

__typeahead_preexec() {
    local __typeahead_ignored=
    [[ -n ${HISTORY_IGNORE-} && "$1" == ${~HISTORY_IGNORE} ]] && __typeahead_ignored=1 # with the user's own options
    emulate -L zsh
    __typeahead_stop_waiting
    __typeahead_hang_up
    __typeahead_command= __typeahead_folder=$PWD __typeahead_started=$EPOCHREALTIME
    [[ -n $__typeahead_ignored || $1 == ' '* ]] || __typeahead_command=$1
}

# What the daemon has not confirmed is told once more.
__typeahead_zshexit() {
    emulate -L zsh
    (( ! $#__typeahead_journal )) || __typeahead_connect
    __typeahead_hang_up
}

__typeahead-line-init() {
    emulate -L zsh
    __typeahead_line= __typeahead_typed=$BUFFER __typeahead_asked=$'\n' __typeahead_shown=
    __typeahead-redraw
}

__typeahead-line-finish() {
    emulate -L zsh
    __typeahead_line=
    __typeahead_hide
}

__typeahead-isearch() {
    emulate -L zsh
    __typeahead_hide
}

# For zsh-autosuggestions: nothing without a daemon, and at most 20 ms; in a process of its own, where it holds no key up
# (their default), somewhat longer.
_zsh_autosuggest_strategy_typeahead() {
    emulate -L zsh
    local REPLY fd data folder prefix answer
    local -i left=2
    local -a fields ready
    typeset -g suggestion=
    [[ $1 != *$'\n'* && $#1 -lt 1000 ]] && (( __typeahead_unheard < 8 )) && __typeahead_find || return 0
    zsocket $REPLY 2>/dev/null || return 0
    fd=$REPLY
    __typeahead_escape "$PWD"
    folder=$REPLY
    __typeahead_escape "$1"
    prefix=$REPLY
    syswrite -o $fd -- "hello"$'\t'"$__typeahead_session"$'\n'"suggest"$'\t1\t1\t'"$folder"$'\t'"$prefix"$'\n' 2>/dev/null
    float until=$(( EPOCHREALTIME + (ZSH_SUBSHELL ? 0.1 : 0.02) ))
    while (( EPOCHREALTIME < until )) && zselect -a ready -t 2 -r $fd 2>/dev/null; do
        sysread -i $fd -t 0 data 2>/dev/null || break
        answer+=$data
        if [[ $answer == *$'\n'suggest$'\t'*$'\n'* ]]; then
            fields=("${(@ps:\t:)${${answer##*$'\n'suggest}%%$'\n'*}}")
            __typeahead_unescape "${fields[4]-}" && suggestion=$REPLY
            break
        fi
    done
    exec {fd}<&-
}

# Undoes all of this in the running shell.
typeahead_off() {
    emulate -L zsh
    add-zsh-hook -d precmd __typeahead_precmd
    add-zsh-hook -d preexec __typeahead_preexec
    add-zsh-hook -d zshexit __typeahead_zshexit
    __typeahead_stop_waiting
    __typeahead_hang_up
    [[ $__typeahead_draws != own ]] || __typeahead_detach
    (( ! $+ZSH_AUTOSUGGEST_STRATEGY )) || ZSH_AUTOSUGGEST_STRATEGY=(${${=ZSH_AUTOSUGGEST_STRATEGY}:#typeahead})
    (( ! $+zvm_after_init_commands )) || zvm_after_init_commands=(${zvm_after_init_commands:#__typeahead_bind})
    local widget
    for widget in ${(k)widgets[(R)user:__typeahead*]}; do zle -D $widget; done
    unset TYPEAHEAD_INTEGRATION
    unset -m '__typeahead_*'
    unfunction -m '__typeahead*' '_zsh_highlight_highlighter_typeahead_*' _zsh_autosuggest_strategy_typeahead typeahead_off
}

# What makes a line read other than it runs; other languages' encodings have no such characters.
if printf -v __typeahead_reversing '\u202a-\u202e\u2066-\u2069' 2>/dev/null && [[ $#__typeahead_reversing -eq 6 ]]; then
    __typeahead_unsafe="[[:cntrl:]$__typeahead_reversing]"
fi
unset __typeahead_reversing
autoload -Uz add-zsh-hook add-zle-hook-widget
zle -N __typeahead-answer
zle -N __typeahead-started
add-zsh-hook precmd __typeahead_precmd
add-zsh-hook preexec __typeahead_preexec
add-zsh-hook zshexit __typeahead_zshexit
fi
