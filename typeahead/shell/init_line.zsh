# The second part of what `typeahead init zsh` prints: what is drawn behind the cursor, and what keys do with it. All of
# it is called where there is a line being edited.
# shellcheck shell=bash disable=all # zsh is beyond it; `zsh -n` and the tests look
if [[ -n ${functions[typeahead_off]-} && -z ${functions[__typeahead_key]-} ]]; then

__typeahead-answer() {
    emulate -L zsh
    local before=$__typeahead_line
    if ! __typeahead_read || [[ -n ${2-} ]]; then
        __typeahead_hang_up
        __typeahead_connect
        [[ -n $__typeahead_fd ]] || __typeahead_start
    fi
    # Keys that wait will be drawn in a moment, and so will this be.
    (( KEYS_QUEUED_COUNT || PENDING )) && return
    __typeahead-redraw
    [[ $__typeahead_line == "$before" ]] || zle -R
}

# Before each redraw: follow the line.
__typeahead-redraw() {
    emulate -L zsh
    if [[ $BUFFER != "$__typeahead_typed" ]]; then
        # What fits after a deletion may stay until there is something better.
        [[ $BUFFER == "$__typeahead_typed"* ]] && __typeahead_stale= || __typeahead_stale=1
        [[ $__typeahead_line == "$BUFFER"?* && -n $BUFFER ]] || __typeahead_line=
        __typeahead_typed=$BUFFER __typeahead_turn= __typeahead_asked=$'\n'
        __typeahead_alternatives=()
    fi
    if [[ $__typeahead_draws == own && -z $__typeahead_off ]]; then
        [[ $BUFFER == "$__typeahead_asked" ]] || __typeahead_ask 1
        __typeahead_draw
    fi
}

__typeahead_is_followed() {
    [[ $CONTEXT == start && -z $PREBUFFER && $KEYMAP != vicmd && $BUFFER != *$'\n'* ]] &&
        (( CURSOR == $#BUFFER && ! REGION_ACTIVE && ! ${ISEARCHMATCH_ACTIVE:-0} ))
}

# Asks for $1 completions of the line.
__typeahead_ask() {
    local REPLY folder
    __typeahead_is_followed && (( $#BUFFER < 1000 && __typeahead_unanswered < 16 )) || return 0
    [[ -n $BUFFER || ${__typeahead_text_empty-on} != off ]] || return 0
    __typeahead_connect
    [[ -n $__typeahead_fd ]] || return 0
    __typeahead_escape "$PWD"
    folder=$REPLY
    __typeahead_escape "$BUFFER"
    (( __typeahead_question = ++__typeahead_id, __typeahead_unanswered++ ))
    __typeahead_asked=$BUFFER
    __typeahead_send suggest $__typeahead_id $1 "$folder" "$REPLY"
}

# Puts the rest of the suggested line behind the cursor, or takes it away; a text of somebody else's there stays.
__typeahead_draw() {
    local rest
    if [[ -n $__typeahead_line && $__typeahead_line == "$BUFFER"?* ]] && __typeahead_is_followed; then
        rest=${__typeahead_line:$#BUFFER}
    fi
    [[ -z $__typeahead_memo ]] || region_highlight=("${(@)region_highlight:#*memo=typeahead}")
    if [[ -n $POSTDISPLAY && $POSTDISPLAY != "$__typeahead_shown" ]]; then
        __typeahead_shown=
        return
    fi
    [[ $POSTDISPLAY == "$rest" ]] || POSTDISPLAY=$rest
    __typeahead_shown=$rest
    [[ -z $rest ]] || region_highlight+=("$#BUFFER $(( $#BUFFER + $#rest )) $__typeahead_style$__typeahead_memo")
}

__typeahead_hide() {
    if [[ -n $__typeahead_shown && $POSTDISPLAY == "$__typeahead_shown" ]]; then POSTDISPLAY=; fi
    __typeahead_shown=
    [[ -z $__typeahead_memo ]] || region_highlight=("${(@)region_highlight:#*memo=typeahead}")
}

# zsh-syntax-highlighting rebuilds region_highlight; as one of its highlighters we stay in there.
_zsh_highlight_highlighter_typeahead_predicate() { return 0 }
_zsh_highlight_highlighter_typeahead_paint() {
    [[ -z $__typeahead_shown || $POSTDISPLAY != "$__typeahead_shown" ]] ||
        region_highlight+=("$#BUFFER $(( $#BUFFER + $#POSTDISPLAY )) $__typeahead_style$__typeahead_memo")
}

# Keys

# Every key of ours, by the widget typeahead-ACTION-KEYMAP: where there is nothing to do, the key does what it did before.
__typeahead_key() {
    local action="${WIDGET#*typeahead-}"
    local key="${action##*-} $KEYS"
    local original="${__typeahead_originals[$key]-}"
    __typeahead_do_"${action%-*}" && return
    [[ -z "$original" || "$original" == undefined-key ]] || zle "$original" -- "$@"
}

__typeahead_is_shown() { [[ -n $__typeahead_shown && $POSTDISPLAY == "$__typeahead_shown" ]] && __typeahead_is_followed }

# Takes $1, the beginning of what is shown.
__typeahead_insert() {
    local rest=${__typeahead_shown#"$1"}
    BUFFER+=$1
    CURSOR=$#BUFFER
    POSTDISPLAY=$rest __typeahead_shown=$rest
}

__typeahead_do_accept() {
    emulate -L zsh
    __typeahead_is_shown && __typeahead_insert "$__typeahead_shown"
}

__typeahead_do_accept_word() {
    emulate -L zsh -o extendedglob
    __typeahead_is_shown && __typeahead_insert "${(M)__typeahead_shown##[[:space:]]#[^[:space:]]#}"
}

__typeahead_do_accept_part() {
    emulate -L zsh -o extendedglob
    __typeahead_is_shown && __typeahead_insert "${(M)__typeahead_shown##[[:space:]]#([^[:space:]/]#/|[^[:space:]/]##|)}"
}

__typeahead_do_accept_character() {
    emulate -L zsh
    __typeahead_is_shown && __typeahead_insert "${__typeahead_shown[1]}"
}

__typeahead_do_accept_and_run() {
    __typeahead_do_accept && zle accept-line
}

__typeahead_do_dismiss() {
    emulate -L zsh
    __typeahead_is_shown || return
    __typeahead_line= # nothing is asked again before the next edit
    __typeahead_hide
}

__typeahead_do_forget() {
    emulate -L zsh
    local REPLY
    __typeahead_is_shown || return
    __typeahead_escape "$__typeahead_line"
    __typeahead_send forget $(( ++__typeahead_id )) "$REPLY" || return 0
    __typeahead_forgotten[$__typeahead_line]=1
    __typeahead_do_dismiss
}

__typeahead_do_toggle() {
    emulate -L zsh
    [[ $__typeahead_draws == own ]] || return
    if [[ -n $__typeahead_off ]]; then
        __typeahead_off= __typeahead_asked=$'\n'
    else
        __typeahead_off=1 __typeahead_line=
        __typeahead_hide
    fi
}

__typeahead_do_next() { __typeahead_go 1 }
__typeahead_do_previous() { __typeahead_go -1 }

__typeahead_go() {
    emulate -L zsh
    __typeahead_is_shown || return
    if (( $#__typeahead_alternatives )); then
        __typeahead_step $1
    else
        __typeahead_turn=$1
        __typeahead_ask 3
    fi
}

__typeahead_step() {
    local -i at=${__typeahead_alternatives[(Ie)$__typeahead_line]} n=$#__typeahead_alternatives
    (( n )) && __typeahead_line=${__typeahead_alternatives[(at - 1 + $1 + n) % n + 1]}
    return 0
}

# Before a completion: a menu is drawn without asking us, and ours would stand behind words that it does not go with.
__typeahead_do_complete() {
    emulate -L zsh
    __typeahead_hide
    return 1
}

# Leaves what terminals send for a key by its name, such as c-x,k, in reply.
__typeahead_sequences() {
    local -A named=(
        right '\e[C \eOC' left '\e[D \eOD' up '\e[A \eOA' down '\e[B \eOB'
        end '\e[F \eOF \e[4~' home '\e[H \eOH \e[1~' delete '\e[3~' insert '\e[2~' pageup '\e[5~' pagedown '\e[6~'
        tab '\t' s-tab '\e[Z' enter '\r' space '\x20' backspace '\x7f' escape '\e' esc '\e'
    )
    # Quoted: a global alias may have any of these letters for its name.
    local -A modifiers=('s' 2 alt 3 alt-s 4 'c' 5 c-s 6 alt-c 7)
    local -A finals=(right 'C' left 'D' up 'A' down 'B' end 'F' home 'H')
    local -A numbers=(delete 3 insert 2 pageup 5 pagedown 6)
    local part name modifier prefix
    local -a found
    reply=('')
    for part in ${(s:,:)1}; do
        name=${part##*-} modifier=${${part%"${part##*-}"}%-}
        if [[ -n ${named[$part]-} ]]; then
            found=(${(ps: :)named[$part]})
        elif [[ -n ${finals[$name]-} && -n ${modifiers[$modifier]-} ]]; then
            found=("\\e[1;${modifiers[$modifier]}${finals[$name]}")
        elif [[ -n ${numbers[$name]-} && -n ${modifiers[$modifier]-} ]]; then
            found=("\\e[${numbers[$name]};${modifiers[$modifier]}~")
        elif [[ $#name -eq 1 && $modifier == (|alt|c|alt-c) ]]; then
            prefix=${${(M)modifier:#alt*}:+\\e}
            [[ $modifier == *c ]] && name=$(printf '\\x%02x' $(( #name & 31 )))
            found=("$prefix$name")
        else
            reply=() && return
        fi
        reply=(${^reply}${^found})
    done
    reply=("${(@g:e:)reply}")
}

# May be called again: what has been bound to something else meanwhile stays so.
__typeahead_bind() {
    emulate -L zsh -o extendedglob
    local action key map sequence bound line at
    local -a reply sequences
    local -A actions=("${(@kv)__typeahead_keys}" complete tab) known
    (( $+functions[compdef] )) && zmodload -i zsh/complist
    local listed="$(for map in emacs viins isearch menuselect; do print $map; bindkey -M $map; done 2>/dev/null)" # one fork
    for line in "${(@f)listed}"; do
        if [[ $line == \"* ]]; then
            at="$map ${${line%\" *}#\"}"
            known[$at]=${line##*\" }
        else
            map=$line
        fi
    done
    for action in ${(k)actions}; do
        sequences=()
        for key in ${=actions[$action]}; do
            __typeahead_sequences $key
            sequences+=("${(@)reply}")
        done
        for sequence in "${(@)sequences}"; do
            for map in emacs viins; do
                # With Esc, which ends insertion there, begins what vi's users type next.
                [[ $map == viins && $sequence == $'\e'[[:alnum:]] ]] && continue
                at="$map ${${(V)sequence}//\\t/^I}"
                bound=${known[$at]-}
                # One that is typed as it is stands in a range of such. A text bound to a key stays what it is.
                [[ -n $bound || $#sequence -gt 1 ]] || bound=self-insert
                [[ $bound == (*typeahead-*|\"*) ]] && continue
                __typeahead_rebind $map $action "$bound"
            done
        done
    done
}

# Binds the key that sends $sequence to our widget for $2, in the keymap $1; $3 is what it did before.
__typeahead_rebind() {
    local map=$1 at="$1 $sequence"
    __typeahead_originals[$at]=$3
    zle -N typeahead-$2-$map __typeahead_key
    bindkey -M $map -- "$sequence" typeahead-$2-$map
    [[ $map == emacs && -n $3 ]] || return 0
    # A search and a menu know their keys by the names of what these do: to them, ours stay what they were.
    for map in isearch menuselect; do
        at="$map ${${(V)sequence}//\\t/^I}"
        [[ -n ${keymaps[(r)$map]-} && -z ${known[$at]-} && ( $map == menuselect || $3 == send-break ) ]] || continue
        bindkey -M $map -- "$sequence" $3
        __typeahead_modes+=("$map $sequence")
    done
}
fi
