# What the zsh underneath reads first of all (see zshenv.zsh): the functions that typeahead's keys call. The records and
# the keys are those of the package's docstring.
#
# zsh has one terminal (SHTTY) for two things: job control, which must have the user's, and its line editor, which must
# not. So the line editor is off, and zsh reads its lines from standard input: a FIFO that always holds the same word,
# __ta_line. That is an alias: at first for waiting, and when a line has come for that line, which so becomes a command of
# the top level (an `eval` would number its jobs from 2 and name itself in every message). The waiting is done by vared,
# which alone can run the line editor on another terminal, the private one. This way
#   - job control, notices, `exit` with stopped jobs, messages and Ctrl-C are those of zsh at its own prompt;
#   - whatever goes wrong on the way to a prompt (an error in a hook, Ctrl-C in one), zsh comes back to that word;
#   - the line editor is there for completions and for handlers of file descriptors (zle -F), with the user's widgets;
#     what they draw goes to the private terminal and is thrown away.
# The hooks that are not meant for that word (preexec and zshaddhistory; precmd between waiting and the line) are put
# aside, and called with the user's line. Standard input is the user's terminal from before the line until after it.
#
# Tried and rejected: the line editor on the private terminal as zsh's only one (no job control: it is not the
# controlling one); the lines themselves through the FIFO (of several in one, each would be a command of its own, and an
# unfinished one would swallow what comes next); reporting from precmd (not the last thing that runs, and skipped after
# Ctrl-C).

typeset -g __ta_dir=$__TA_DIR __ta_tty=$__TA_TTY __ta_keys=$__TA_KEYS __ta_private=${__TA_PRIVATE-}
typeset -g __ta_text= __ta_last= __ta_kept= __ta_traced= __ta_told= __ta_rules=$'\n' __ta_prompt= __ta_rendered= __ta_answer= __ta_map=
typeset -g __ta_line= __ta_do= __ta_hidden= __ta_settled= __ta_unspaced= __ta_numbered= __ta_strict=
typeset -gi __ta_count=0 __ta_prompts=0 __ta_status=0
typeset -ga __ta_pipes __ta_aside_preexec __ta_aside_zshaddhistory __ta_aside_precmd
typeset -gr __ta_waiting='{ __ta_wait; } 2>/dev/null'
builtin unset __TA_DIR __TA_TTY __TA_KEYS __TA_PRIVATE
builtin zmodload zsh/zle zsh/parameter
builtin source "${__TA_RC:h}/complete.zsh"
builtin printf 'I\0' 1<>"$__ta_dir/records"

__ta_nothing() { : }

__ta_return() { return "$1" }

# Where there is no alias any more (unalias -a), or there are none at all (setopt no_aliases).
__ta_line() { builtin eval -- "${__ta_line:-$__ta_waiting}" }

# Changes options of the whole shell, so it has none of its own.
__ta_wait() {
    __ta_status=$?
    # A line that has not come to its end was interrupted, which a loop of builtins alone does not leave in $?.
    [[ ! $__ta_do || $__ta_kept || $__ta_status != 0 ]] || __ta_status=130
    __ta_do= __ta_traced=
    [[ ! -o xtrace ]] || __ta_traced=1
    __ta_prompts=$((__ta_prompts + 1))
    __ta_show
    [[ ! $__ta_unspaced ]] || builtin unsetopt hist_ignore_space
    [[ ! $__ta_numbered ]] || builtin setopt eval_lineno
    [[ ! $__ta_strict ]] || builtin setopt err_exit
    __ta_unspaced= __ta_numbered= __ta_strict=
    __ta_serve
    # Neither key nor Ctrl-C: the private terminal has gone, and typeahead with it.
    [[ $__ta_do ]] || builtin kill -HUP $$
    __ta_hide precmd
}

# The prompt as the user has it.
__ta_show() {
    builtin emulate -L zsh
    [[ -n $PROMPT || ! $__ta_hidden ]] || PROMPT=$__ta_prompt
    __ta_hidden=
    __ta_put_back precmd
    [[ $__ta_settled ]] || __ta_settle
    builtin bindkey -lL main >$__ta_dir/keymap # vared makes ours the main one
    IFS= builtin read -r __ta_map <$__ta_dir/keymap || :
    [[ $precmd_functions[1] == __ta_back && $precmd_functions[-1] == __ta_hide ]] ||
        precmd_functions=(__ta_back ${precmd_functions:#__ta_(back|hide)} __ta_hide)
}

# The line editor, on the private terminal and with our keys alone. Notices of jobs wait until it has ended: they would
# be written there. `bg` prints them (and so would `jobs`, but after that zsh lets one exit with stopped jobs).
__ta_serve() {
    builtin setopt localoptions zle no_notify no_beep no_err_exit no_err_return unset
    local __ta_buffer=
    builtin vared -t "$__ta_keys" -M __ta -m __ta -i __ta_nothing -f __ta_nothing __ta_buffer >"$__ta_keys" 2>&1 || :
    builtin bg %__ta_none 2>/dev/null || :
}

# The last hook before a prompt: makes ready for reading our word, which must leave no trace.
__ta_hide() {
    {
        __ta_put_aside preexec zshaddhistory "$@"
        [[ ! $PROMPT && $__ta_hidden ]] || __ta_prompt=$PROMPT
        PROMPT= __ta_hidden=1
        [[ -o hist_ignore_space ]] || __ta_unspaced=1
        builtin setopt hist_ignore_space
        builtin unsetopt zle prompt_cr prompt_sp
    } 2>/dev/null
}

# The first hook after a line that was interrupted: until it has run, zsh would read the user's terminal.
__ta_back() {
    { [[ ! -t 0 ]] || __ta_step_back; } 2>/dev/null
}

# A function precmd comes before all hooks, and Ctrl-C in it would keep them from running.
__ta_guarded() {
    local ended=$?
    __ta_back
    return "$ended"
}

__ta_guard() {
    builtin emulate -L zsh
    [[ ${functions[precmd]-} == (|$'\t'__ta_guarded*|*builtin\ autoload\ -X*) ]] ||
        functions[precmd]="__ta_guarded && :"$'\n'$functions[precmd]
}

__ta_step_back() {
    builtin exec <>"$__ta_dir/input"
    aliases[__ta_line]=$__ta_waiting
    builtin unsetopt zle prompt_cr prompt_sp
}

__ta_put_aside() {
    builtin emulate -L zsh
    local hook aside hooks
    for hook; do
        aside=__ta_aside_$hook hooks=${hook}_functions
        set -A $aside ${(P)aside} ${(P)hooks}
        set -A $hooks
        (( $+functions[$hook] )) || continue
        functions -c $hook __ta_user_$hook
        unfunction $hook
    done
}

__ta_put_back() {
    builtin emulate -L zsh
    local hook aside hooks
    local -aU both
    for hook; do
        aside=__ta_aside_$hook hooks=${hook}_functions
        both=(${(P)aside} ${(P)hooks}) # a hook may have been added meanwhile
        (( ! $#both )) || set -A $hooks $both
        set -A $aside
        (( $+functions[__ta_user_$hook] )) || continue
        (( $+functions[$hook] )) || functions -c __ta_user_$hook $hook
        unfunction __ta_user_$hook
    done
}

# Key 036: what the word stands for next.
__ta_load() {
    # A new prompt since the last report: Ctrl-C came after the terminal was handed over, before this key was read.
    if (( __ta_prompts > 0 )); then
        __ta_status=130
        return
    fi
    __ta_text=
    IFS= builtin read -r -d '' __ta_text <"$__ta_dir/line" || :
    builtin printf 'L\0' 1<>"$__ta_dir/records"
    if ! __ta_expand; then
        builtin printf 'X\0' 1<>"$__ta_dir/records"
        BUFFER=
        return
    fi
    BUFFER=
    __ta_count=$((__ta_count + 1))
    __ta_compose
    aliases[__ta_line]=$__ta_line
    builtin zle .accept-line
}

# History expansion as the line editor does it. What comes out differently is shown, and runs, but not where the user
# wants to see it first (setopt hist_verify).
__ta_expand() {
    [[ -o bang_hist && ($__ta_text == *"${histchars[1]}"* || $__ta_text == "${histchars[2]}"*) ]] || return 0
    # The line so far, which here would be our word; and what at zsh's own prompt makes `echo "hi!"` an open quote.
    [[ $__ta_text != *"${histchars[1]}"[\#\"]* ]] || return 0
    BUFFER=$__ta_text
    if builtin zle .expand-history; then
        [[ $BUFFER != "$__ta_text" ]] || return 0
        __ta_text=$BUFFER
        builtin print -r -- "$__ta_text" >"$__ta_tty"
        [[ ! -o hist_verify ]] || return 1
        builtin printf 'X %s\0' "$__ta_text" 1<>"$__ta_dir/records"
        return 0
    fi
    # Nothing to do, or a mistake? That keeps what comes after it from being expanded, too.
    __ta_parse "$__ta_text"
    [[ $__ta_answer == whole ]] || return 0
    BUFFER=$__ta_text$'\n'${histchars[1]}#
    ! builtin zle .expand-history || return 0
    builtin print -r -- "zsh: event not found: $__ta_text" >"$__ta_tty"
    return 1
}

# A line that is no whole command would take in what follows: it is left to eval.
__ta_compose() {
    local line=$__ta_text pipes= keep='__ta_keep "$_" "${pipestatus[@]}" && :'
    __ta_parse "$__ta_text"
    __ta_try "$__ta_text" __ta_parsed
    __ta_do=run
    [[ ! -s $__ta_dir/parsed ]] || __ta_do=wrong
    [[ $__ta_answer == whole ]] || line='\builtin \eval -- "$__ta_text"'
    [[ ! $__ta_traced && $__ta_text != *xtrace* && $__ta_text != *set\ -*x* ]] ||
        keep="{ ${keep/\$_/}; } 2>/dev/null" # without a trace
    [[ $__ta_text != *pipestatus* ]] || (( ${#__ta_pipes[@]} < 2 )) ||
        builtin printf -v pipes '| __ta_return %d' "${__ta_pipes[@]}"
    __ta_line='{ __ta_begin; __ta_resume "$__ta_last" && \builtin : "$__ta_last"; } 3>&2 2>/dev/null;'
    __ta_line+=${pipes#\|}${pipes:+;}$line$'\n'$keep
}

# All that zsh does between Enter and the line; 3 is standard error.
__ta_begin() {
    builtin setopt localoptions no_err_exit no_err_return unset no_xtrace
    local hook body=${functions[__ta_parsed]-}
    aliases[__ta_line]=$__ta_waiting __ta_line= __ta_kept=
    __ta_put_back preexec zshaddhistory precmd
    __ta_guard
    PROMPT=$__ta_prompt __ta_hidden=
    __ta_remember
    [[ $__ta_do == run ]] || return 0
    body=${${body#$'\t'}//$'\n\t'/$'\n'}
    for hook in preexec "${preexec_functions[@]}"; do
        (( ${+functions[$hook]} )) || continue
        __ta_return "$__ta_status" && :
        "$hook" "$__ta_text" "${${body//$'\n'/; }:0:80}" "$body" <>"$__ta_tty" 2>&3 3>&-
    done
    return 0
}

# A line enters the history as the user's options and hooks want it.
__ta_remember() {
    local hook file=${HISTFILE-} veto=
    if [[ $__ta_do == run ]]; then # zsh does not ask about what it cannot parse
        for hook in zshaddhistory "${zshaddhistory_functions[@]}"; do
            (( ${+functions[$hook]} )) || continue
            "$hook" "$__ta_text"$'\n' <>"$__ta_tty" 2>&3 3>&- || veto=1
        done
    fi
    [[ $__ta_unspaced || $__ta_text != ' '* ]] || veto=1
    [[ ! -o hist_ignore_dups || $__ta_text != "${history[$((HISTCMD - 1))]-}" ]] || veto=1
    [[ ! -o hist_no_store || ($__ta_text != history* && $__ta_text != fc\ -l*) ]] || veto=1
    [[ $veto ]] || builtin print -rS -- "$__ta_text" # in words, for !$
    [[ ${HISTFILE-} == "$file" ]] || builtin fc -P # a hook has called fc -p, which holds for one line
}

# Last before the line: options and standard input are the user's, and $? and $_ what the line before has left.
__ta_resume() {
    [[ ! $__ta_unspaced ]] || builtin unsetopt hist_ignore_space
    __ta_unspaced=
    if [[ $__ta_do == wrong ]]; then # eval must not name itself, and a mistake in typing ends no shell
        [[ ! -o eval_lineno ]] || { __ta_numbered=1; builtin unsetopt eval_lineno; }
        [[ ! -o err_exit ]] || { __ta_strict=1; builtin unsetopt err_exit; }
    fi
    builtin exec <>"$__ta_tty"
    return "$__ta_status"
}

# First after it.
__ta_keep() {
    __ta_status=$? __ta_last=$1 __ta_kept=1
    builtin shift
    __ta_pipes=("$@")
    __ta_step_back
    return "$__ta_status"
}

# Read $1 as zsh would read it, with the user's options and aliases; runs nothing. The function $2 is what comes out.
__ta_try() {
    { functions[$2]=$1; } 2>|"$__ta_dir/parsed"
}

# Whether $1 is a whole command: it is tried with another command after it. What is not finished either takes that in, or
# goes wrong just because of it.
__ta_parse() {
    local __ta_error= __ta_body=
    local -a __ta_lines
    __ta_answer=wrong
    __ta_try "$1"$'\n__ta_end' __ta_tried
    __ta_body=$'\n'${functions[__ta_tried]-}
    IFS= builtin read -r __ta_error <"$__ta_dir/parsed" || :
    __ta_lines=("${(@f)1}")
    if [[ ! $__ta_error ]]; then
        __ta_answer=open
        [[ $__ta_body != *$'\n\t__ta_end' ]] || __ta_answer=whole
    elif [[ $__ta_error == *': unmatched '* || $__ta_error == *': closing brace expected' ]]; then
        __ta_answer=open
    elif [[ $__ta_error == *":$((${#__ta_lines[@]} + 1)): parse error near "* && $__ta_error != *'`\n'\' ]]; then
        __ta_answer=open
    fi
}

__ta_check() {
    local __ta_number= __ta_checked=
    IFS= builtin read -r -d '' __ta_checked <"$__ta_dir/check" || :
    __ta_number=${__ta_checked%%$'\n'*} __ta_checked=${__ta_checked#*$'\n'}
    __ta_parse "$__ta_checked"
    builtin printf 'K %d %s\0' "$__ta_number" "$__ta_answer" 1<>"$__ta_dir/records"
}

# Expand a prompt with the user's options, as zsh does it, with marks around %{...%}.
__ta_render() {
    __ta_rendered=$1
    if [[ -o prompt_subst ]]; then
        builtin setopt localoptions no_prompt_subst
        __ta_return "$__ta_status"
        __ta_rendered=${(e)__ta_rendered}
    fi
    [[ ! -o prompt_percent ]] || __ta_mark
    __ta_return "$__ta_status"
    __ta_rendered=${(%%)__ta_rendered}
}

__ta_mark() {
    builtin emulate -L zsh
    local text=${__ta_rendered//(#m)\%\%/$'\e\e'}
    text=${${text//\%\{/%\{$'\1'}//\%\}/$'\2'%\}}
    __ta_rendered=${text//$'\e\e'/%%}
}

__ta_report() {
    local __ta_left= __ta_more=
    {
        __ta_render "${PROMPT-}"
        __ta_left=$__ta_rendered
        __ta_render "${RPROMPT-}"
        builtin printf '%s\0' "P $__ta_left" "S $__ta_rendered" 1<>"$__ta_dir/records"
        __ta_render "${${PROMPT2-}//\%_}"
        __ta_more=$__ta_rendered
    } always {
        TRY_BLOCK_ERROR=0
    }
    __ta_tell "$__ta_more"
}

__ta_tell() {
    builtin emulate -L zsh
    local editing=emacs rules space=
    [[ $__ta_map != *' vi'* ]] || editing=vi
    if [[ "$editing $1" != $__ta_told ]]; then
        __ta_told="$editing $1"
        builtin printf '%s\0' "E $editing" "2 $1" 1<>$__ta_dir/records
    fi
    [[ ! -o hist_ignore_space ]] || space=1
    rules=$space$'\n'${HISTORY_IGNORE-}
    if [[ $rules != $__ta_rules ]]; then
        __ta_rules=$rules
        builtin printf 'H %s\0' $rules 1<>$__ta_dir/records
    fi
    builtin printf 'D %d %d %s\0' $__ta_count $__ta_status $PWD 1<>$__ta_dir/records
    __ta_prompts=0
    # No prompt waits for this. Into a file, and in place: see rc.bash.
    {
        local editors="${VISUAL:+VISUAL=${VISUAL//$'\n'/ }}"$'\n'"${EDITOR:+EDITOR=${EDITOR//$'\n'/ }}"
        builtin print -rN -- "${PATH-}" "${HOME-}" "${CDPATH-}" "${(F)${(@k)parameters[(R)*export*]}}"$'\n'"$editors"
        builtin print -rN -- "${(F)${(@k)aliases}}"$'\n'"${(F)${(@k)galiases}}"$'\n'"${(F)${(@k)functions}}"$'\n'"${(F)${(@k)builtins}}"$'\n'"${(F)reswords}"
    } 1<>$__ta_dir/names
    builtin printf 'N\0' 1<>$__ta_dir/records
}

# Once the user's files have been read, also when Ctrl-C has cut them short.
__ta_settle() {
    builtin emulate -L zsh
    __ta_settled=1
    [[ ! $__ta_private ]] || unset HISTFILE
    [[ ${HISTFILE-} != $__ta_dir/* ]] || HISTFILE=${ZDOTDIR:-$HOME}/${HISTFILE:t} # named while ZDOTDIR was ours
    local widget key
    bindkey -N __ta
    for widget key in load '^^' report '^I' report '^_' check '^G' completions '^]' nothing n; do
        zle -N __ta_$widget
        bindkey -M __ta $key __ta_$widget
    done
    zle -N __ta_completions
    zle -C __ta_capture .complete-word __ta_capture
    bindkey -M __ta '^]' __ta_completions
    zle -C __ta_capture complete-word __ta_capture
    aliases[__ta_line]=$__ta_waiting
    builtin printf '\x1f\x1e\x1f' >$__ta_keys
    builtin printf 'R\0' 1<>$__ta_dir/records
}
