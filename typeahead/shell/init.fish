# typeahead in one's own fish: typeahead init fish | source  in ~/.config/fish/config.fish. In a fish that is not
# interactive, or older than 3.4, this does nothing.
#
# What there is to see. Fish's own grey text comes from fish's history and takes nothing from outside, so it stays as it
# is. From the model there are keys, and what they insert can be undone with Ctrl-Z:
#
#   Alt-;   complete the line; again: the next alternative, after the last the line as it was typed.
#           On the empty line: what is likely to come next
#   Alt-,   the same, the next word alone
#   Alt-k   forget the line that is filled in: never suggest it again
#
# With `set -g typeahead_complete 1` before, Tab also offers the next word of the suggestions, after fish's own; it is off
# as it turns what Tab would have completed at once into a choice. Other keys, as `bind` has them and set before:
# typeahead_suggest_key, typeahead_word_key, typeahead_forget_key ('' for none). A key that is bound already is left alone.
# typeahead_off takes all of it away.
#
# What is recorded: each command with directory, status and duration; not in private mode, nor one that begins with a
# space or that fish_should_add_to_history refuses.
#
# No key and no prompt waits for the daemon: a process beside the shell speaks with it (typeahead/shell/relay.py), and
# has 15 ms for an answer. No process is started for a key. `typeahead init fish` sets __typeahead_python above this.
if status is-interactive; and not set -q __ta_dir; and set -q __typeahead_python
    and string match -qr '^(3\.([4-9]|\d\d)|[4-9]|\d\d)' -- $version

# For `typeahead doctor`: shell, what it does, version, process.
set -gx TYPEAHEAD_INTEGRATION "fish keys $__typeahead_version $fish_pid"
if test -n "$XDG_RUNTIME_DIR" -a -w "$XDG_RUNTIME_DIR" -a -x "$XDG_RUNTIME_DIR"
    set -g __typeahead_folder $XDG_RUNTIME_DIR/typeahead/relay-$fish_pid
else
    set -q TMPDIR; and test -n "$TMPDIR"; or set -l TMPDIR /tmp
    set -g __typeahead_folder (string trim -rc / -- $TMPDIR)/typeahead-(id -u)/relay-$fish_pid
end
set -q __typeahead_session; or set -g __typeahead_session fish-$fish_pid-(random)
set -g __typeahead_pid
set -g __typeahead_directory $PWD
set -g __typeahead_queue
set -g __typeahead_found
set -g __typeahead_index 1
set -g __typeahead_several
set -g __typeahead_shown
set -g __typeahead_typed
set -q __typeahead_count; or set -g __typeahead_count 0
set -q __typeahead_starts; or set -g __typeahead_starts 0
set -q __typeahead_prompts; or set -g __typeahead_prompts 0

# --- The process beside the shell -------------------------------------------------------------------------------------

# Opening a FIFO waits for the other side, so this must be sure that there is one: a process that has ended may still
# have its entry, as a zombie, and a stopped one does not answer.
function __typeahead_reachable
    set -l folder $__typeahead_folder
    if test -z "$__typeahead_pid"
        test -O (string replace -r '/[^/]*$' '' -- $folder) -a -O $folder; or return 1
        test -f $folder/pid -a -p $folder/questions -a -p $folder/answers; or return 1
        read -g __typeahead_pid <$folder/pid
    end
    if test -e /proc/self/stat
        if test -e /proc/$__typeahead_pid/stat -a -p $folder/questions
            read -l state </proc/$__typeahead_pid/stat
            string match -qr '\) [ZTt] ' -- $state; or return 0
        end
    else if test -p $folder/questions; and command kill -0 $__typeahead_pid 2>/dev/null
        return 0
    end
    set -g __typeahead_pid
    return 1
end

# Once, and again where it has been killed, ever more seldom.
function __typeahead_start
    __typeahead_reachable; and return
    test $__typeahead_starts -lt 8 -a $__typeahead_prompts -ge (math "2 ^ $__typeahead_starts - 1"); or return
    set -g __typeahead_starts (math $__typeahead_starts + 1)
    set -g __typeahead_prompts 0
    command $__typeahead_python -P -m typeahead.shell.relay $fish_pid $__typeahead_session </dev/null >/dev/null 2>&1 &
    disown $last_pid 2>/dev/null
end

function __typeahead_send
    printf '%s\n' $argv[1] >$__typeahead_folder/questions
end

function __typeahead_escape
    set -l lines (string split \n -- "$argv[1]")
    set lines (string replace -a '\\' '\\\\' -- $lines)
    set lines (string replace -a \t '\\t' -- $lines)
    set lines (string replace -a \r '\\r' -- $lines)
    string join '\\n' -- $lines
end

# Asks for $argv[2] ways to go on from $argv[1] and puts them into __typeahead_found.
function __typeahead_ask
    set -g __typeahead_found
    set -g __typeahead_index 1
    set -g __typeahead_several
    test (string length -- "$argv[1]") -le 4096; or return 1
    test -n "$argv[1]" -o "$__typeahead_text_empty" != off; and __typeahead_reachable; or return 1
    set -g __typeahead_count (math $__typeahead_count + 1)
    __typeahead_send suggest\t$__typeahead_count\t$argv[2]\t(__typeahead_escape $PWD)\t(__typeahead_escape "$argv[1]")
    # An answer that was not read, after Ctrl-C, may still lie there. There is one for each question.
    set -l line
    while read line <$__typeahead_folder/answers
        set -l fields (string match -r "suggest\t$__typeahead_count\t.*" -- $line | string split \t)
        set -q fields[1]; or continue
        set -l start (string length -- "$argv[1]")
        for text in (string replace -a '\\\\' '\\' -- $fields[4..])
            string match -qr '[[:cntrl:]]' -- $text; and continue
            test "$(string sub -l $start -- $text)" = "$argv[1]" -a (string length -- $text) -gt $start
            and set -a __typeahead_found $text
        end
        break
    end
    set -q __typeahead_found[1]
end

# --- What has been run ------------------------------------------------------------------------------------------------

function __typeahead_preexec --on-event fish_preexec
    set -g __typeahead_directory $PWD
end

function __typeahead_postexec --on-event fish_postexec
    set -l code $status
    set -l duration $CMD_DURATION
    test -z "$fish_private_mode"; and not string match -q ' *' -- "$argv[1]"; or return
    if functions -q fish_should_add_to_history
        fish_should_add_to_history "$argv[1]"; or return
    end
    set -l command (__typeahead_escape "$argv[1]")
    # Longer ones might fill a FIFO that nobody empties.
    test -n "$command" -a (string length -- "$command") -le 12000; or return
    set duration (math -s 3 $duration / 1000)
    set -a __typeahead_queue record\t0\t\t$duration\t$code\t(__typeahead_escape $__typeahead_directory)\t$command
end

function __typeahead_prompt --on-event fish_prompt
    set -g __typeahead_found
    set -g __typeahead_shown
    set -g __typeahead_prompts (math $__typeahead_prompts + 1)
    __typeahead_start
    if __typeahead_reachable
        for entry in $__typeahead_queue
            __typeahead_send $entry
        end
        set -g __typeahead_queue
        __typeahead_tell
        __typeahead_send ahead\t1\t(__typeahead_escape $PWD)\t
    end
    set -q __typeahead_queue[101]; and set -g __typeahead_queue $__typeahead_queue[-100..]
end

# What the shell knows, where that has changed.
function __typeahead_tell
    set -l known (builtin -n; functions -n; abbr --list)
    set -l variables (set -xn)
    test "$__typeahead_told" = "$known / $variables / $PATH / $CDPATH / $__typeahead_pid"; and return
    set -g __typeahead_told "$known / $variables / $PATH / $CDPATH / $__typeahead_pid"
    begin
        printf '%s\0' "$(string join : -- $PATH)" "$HOME" "$(string join : -- $CDPATH)"
        printf '%s\n' $variables
        printf '\0'
        printf '%s\n' $known
        printf '\0'
    end >$__typeahead_folder/names
    __typeahead_send names
end

# --- Keys -------------------------------------------------------------------------------------------------------------

# One suggestion comes in time more often than several do; those are asked for while it is looked at.
function __typeahead_suggest
    set -l line "$(commandline -b)"
    if set -q __typeahead_found[1]; and test -n "$line" -a "$line" = "$__typeahead_shown"
        test -n "$__typeahead_several"; or __typeahead_alternatives $line; or return
        set -g __typeahead_index (math "$__typeahead_index % ($(count $__typeahead_found) + 1) + 1")
    else
        set -g __typeahead_typed $line
        __typeahead_ask "$line" 1; or return
        __typeahead_send ahead\t5\t(__typeahead_escape $PWD)\t(__typeahead_escape "$line")
    end
    if set -q __typeahead_found[$__typeahead_index]
        __typeahead_show $__typeahead_found[$__typeahead_index]
    else
        __typeahead_show "$__typeahead_typed"
    end
end

# Puts the alternatives to $argv[1] behind it. Fails where they are not there yet: the next press may find them.
function __typeahead_alternatives
    set -l others
    if __typeahead_ask "$__typeahead_typed" 5
        for text in $__typeahead_found
            test "$text" = "$argv[1]"; or set -a others $text
        end
        set -g __typeahead_several 1
    end
    set -g __typeahead_found $argv[1] $others
    test -n "$__typeahead_several"
end

function __typeahead_word
    set -l line "$(commandline -b)"
    set -l length (string length -- "$line")
    set -l text $__typeahead_found[$__typeahead_index]
    if test -z "$text" -o "$(string sub -l $length -- "$text")" != "$line" -o "$text" = "$line"
        set -g __typeahead_typed $line
        __typeahead_ask "$line" 1; or return
        set text $__typeahead_found[1]
    end
    __typeahead_show $line(string sub -s (math $length + 1) -- $text | string match -r '^[ \t]*[^ \t]+')
    set -g __typeahead_shown # not this line: what there is to go on with is the rest of this one
end

function __typeahead_show
    commandline -r -- "$argv[1]"
    set -g __typeahead_shown $argv[1]
end

function __typeahead_forget
    set -l text $__typeahead_found[$__typeahead_index]
    test -n "$text" -a "$(commandline -b)" = "$text"; and __typeahead_reachable; or return
    __typeahead_send forget\t0\t(__typeahead_escape $text)
    set -g __typeahead_found
    __typeahead_show "$__typeahead_typed"
end

# The next words of the suggestions, for Tab.
function __typeahead_tokens
    set -l line "$(commandline -bc)"
    set -l length (string length -- "$line")
    set -l token "$(commandline -ct)"
    __typeahead_ask "$line" 5; or return
    for text in $__typeahead_found
        set -l word (string sub -s (math $length + 1) -- $text | string match -r '^[^ \t]+')
        and printf '%s\ttypeahead\n' $token$word
    end
end

if not set -q __typeahead_bound
    set -g __typeahead_bound
    set -q typeahead_suggest_key; or set -l typeahead_suggest_key \e\;
    set -q typeahead_word_key; or set -l typeahead_word_key \e,
    set -q typeahead_forget_key; or set -l typeahead_forget_key \ek
    set -l modes default insert
    test "$__typeahead_shell_suggest" = off; and set modes
    for mode in $modes
        for pair in suggest:$typeahead_suggest_key word:$typeahead_word_key forget:$typeahead_forget_key
            set -l key (string split -m 1 : -- $pair)
            test -n "$key[2]"; and not bind -M $mode $key[2] >/dev/null 2>&1; or continue
            bind -M $mode $key[2] __typeahead_$key[1]
            set -a __typeahead_bound $mode:$key[2]
        end
    end
    test -n "$typeahead_complete"; and complete -p '*' -k -a '(__typeahead_tokens)'
end

function typeahead_off
    for pair in $__typeahead_bound
        set -l key (string split -m 1 : -- $pair)
        bind -e -M $key[1] $key[2]
    end
    test -n "$typeahead_complete"; and complete -p '*' -e
    __typeahead_reachable; and __typeahead_send stop
    functions -e (functions -na | string match '__typeahead_*') typeahead_off
    set -eg (set -gn | string match '__typeahead_*') TYPEAHEAD_INTEGRATION
end

end
