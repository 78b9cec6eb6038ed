# The .zshrc of the zsh underneath: see zshenv.zsh.
if [[ $__ta_zdotdir_type ]]; then
    ZDOTDIR=$__ta_zdotdir
else
    builtin unset ZDOTDIR
fi
# powerlevel10k would draw a prompt now, and hold back all output until the line editor runs.
builtin typeset -gi __p9k_instant_prompt_disabled=1
{
    if [[ -r ${ZDOTDIR:-$HOME}/.zshrc ]]; then
        { builtin source "${ZDOTDIR:-$HOME}/.zshrc"; } <>"$__ta_tty" >"$__ta_keys" 2>&1
    fi
} always {
    __ta_settle
    __ta_hide
    builtin unset __ta_zdotdir __ta_zdotdir_type
    builtin unfunction __ta_leave_zdotdir __ta_enter_zdotdir
}
