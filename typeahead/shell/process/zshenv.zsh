# The .zshenv of the zsh underneath, which finds it through ZDOTDIR. The user's files are read as zsh would read them: at the
# top level, under their own names, with their own ZDOTDIR; their input is the user's terminal, their output the private
# one, which typeahead shows above the prompt.
builtin source "$__TA_RC"
builtin unset __TA_RC
__ta_leave_zdotdir() {
    if [[ ${__TA_ZDOTDIR+set} ]]; then
        builtin export ZDOTDIR=$__TA_ZDOTDIR
        builtin unset __TA_ZDOTDIR
    else
        builtin unset ZDOTDIR
    fi
}
__ta_leave_zdotdir
{
    if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then
        { builtin source "${ZDOTDIR:-$HOME}/.zshenv"; } <>"$__ta_tty" >"$__ta_keys" 2>&1
    fi
} always {
    # Back to ours for the next file; without one (setopt no_rcs) the first line settles what is left.
    __ta_enter_zdotdir() {
        builtin emulate -L zsh
        typeset -g __ta_zdotdir=${ZDOTDIR-} __ta_zdotdir_type=${parameters[ZDOTDIR]-}
        typeset -g ZDOTDIR=$__ta_dir
    }
    if [[ -o rcs ]]; then
        __ta_enter_zdotdir
    else
        __ta_hide
    fi
}
