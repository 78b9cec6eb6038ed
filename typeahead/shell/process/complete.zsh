# shellcheck disable=all # it does not know zsh
# Tab in the zsh underneath, sourced by rc.zsh: what zsh's own completion system would offer for the line being edited,
# with its descriptions.
#
# typeahead writes the question into $__ta_dir/question and sends a key that is bound in the line editor on the private
# terminal. The line is put there, and a completion widget called; in a process of its own (zpty: a session that can be
# killed, and no job) the completion system then runs as it would for the user, while each `compadd` is written down.
# Question and answer are those of complete.bash; of the question, the line and the word at the cursor are used. The
# texts of the answer are quoted already (option "quoted"), a kind is a tag of the completion system, with "+" before it
# where the order is to stay as it is, and a description may begin with blanks and dashes.

typeset -ga __ta_question=()

__ta_completions() {
    builtin emulate -L zsh
    __ta_question=("${(0@)$(<$__ta_dir/question)}")
    __ta_load_compsys
    BUFFER=$__ta_question[2]
    CURSOR=$#BUFFER
    zle __ta_capture
    BUFFER=
    # The next time, what this process has loaded is here: its functions alone, of which none is run.
    local command=${${(Az)__ta_question[2]}[1]}
    [[ -z ${_comps[$command]-} ]] || builtin autoload -Uz +X -- ${_comps[$command]} 2>/dev/null
}

# Of a user who has none, without its file: nothing is written.
__ta_load_compsys() {
    (( ! $+functions[_main_complete] || ! $+_comps )) || return 0
    builtin autoload -Uz compinit
    compinit -i -D
} >/dev/null 2>&1 </dev/null

__ta_capture() {
    builtin zmodload zsh/zpty zsh/system zsh/zutil
    compstate[insert]= compstate[list]=
    unset 'compstate[vared]'
    builtin zpty -d __ta 2>/dev/null
    builtin zpty -b __ta __ta_answer || builtin printf 'C %d\0' $__ta_question[1] 1<>$__ta_dir/records
}

__ta_answer() {
    exec </dev/null >/dev/null 2>/dev/null
    builtin printf '%d' $sysparams[pid] >$__ta_dir/completing
    local __ta_word=$QIPREFIX$IPREFIX$PREFIX
    builtin print -rN -- $__ta_question[1] done quoted $(( $#__ta_question[3] - $#__ta_word )) >$__ta_dir/answer.new
    builtin zstyle ':completion:*' list-grouped false # one entry, one description
    functions[compadd]=$functions[__ta_compadd]
    [[ $__ta_question[3] != *"$__ta_word" ]] || _main_complete
    command mv -f -- $__ta_dir/answer.new $__ta_dir/answer
    builtin printf 'C %d\0' $__ta_question[1] 1<>$__ta_dir/records
    builtin kill -KILL $sysparams[pid] # without the user's exit hooks
}

# Write down what is added, and add it: completions look at how many there are.
__ta_compadd() {
    builtin emulate -L zsh
    builtin setopt extendedglob
    local -a __ta_hits __ta_shown __ta_out __ta_apre __ta_hpre __ta_hsuf __ta_asuf __ta_base __ta_display __ta_flags __ta_rest
    __ta_rest=("$@")
    builtin zparseopts -E -a __ta_rest -- P:=__ta_apre p:=__ta_hpre s:=__ta_hsuf S:=__ta_asuf W:=__ta_base d:=__ta_display \
        Q=__ta_flags f=__ta_flags O:=__ta_out A:=__ta_out D:=__ta_out \
        V:=__ta_flags i: I: J: X: x: r: R: M: F: E: o+:: a k l q e n U 1 2 C
    if (( $#__ta_out )); then
        builtin compadd "$@"
        return
    fi
    case ${__ta_display[2]-} in
        '') ;;
        \(*\)) __ta_shown=(${(Qz)${__ta_display[2][2,-2]}}) ;;
        *) __ta_shown=("${(@P)__ta_display[2]}") ;;
    esac
    builtin compadd -A __ta_hits -D __ta_shown "$@"
    builtin compadd "$@"
    local __ta_status=$? __ta_index __ta_hit __ta_kind __ta_append __ta_head __ta_said
    __ta_head=$QIPREFIX$IPREFIX${__ta_apre[2]-}${__ta_hpre[2]-}
    for (( __ta_index = 1; __ta_index <= $#__ta_hits && __ta_index <= 5000; __ta_index++ )); do
        __ta_hit=$__ta_hits[__ta_index] __ta_kind=${curtag:-argument} __ta_append=' '
        (( ! $#__ta_asuf )) || __ta_append=$__ta_asuf[2]
        if (( $__ta_flags[(I)-f] )); then
            __ta_kind=file
            if [[ -d ${__ta_base[2]-}${(Q)__ta_hit} ]]; then
                __ta_kind=directory __ta_append=/
            fi
        fi
        (( ! $__ta_flags[(I)-V] )) || __ta_kind=+$__ta_kind
        __ta_said=${${__ta_shown[__ta_index]-}##[[:blank:]]#}
        __ta_said=${__ta_said#"$__ta_hit"}
        if (( ! $__ta_flags[(I)-Q] )); then
            case $compstate[quote] in
                \') __ta_hit=${__ta_hit//\'/\'\\\'\'} ;;
                \") __ta_hit=${__ta_hit//(#m)[\\\$\`\"]/\\$MATCH} ;;
                *) __ta_hit=${(q)__ta_hit} ;;
            esac
        fi
        builtin print -rN -- $__ta_kind $__ta_head$__ta_hit${__ta_hsuf[2]-} "$__ta_append" "$__ta_said"
    done >>$__ta_dir/answer.new
    return __ta_status
}
