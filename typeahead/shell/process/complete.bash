# shellcheck shell=bash disable=SC2154 # __ta_dir is rc.bash's
# Tab in the bash underneath, sourced by rc.bash: what may stand at the end of the line being edited, from the same
# specifications that bash itself completes with (`complete`, bash-completion).
#
# typeahead writes the question into $__ta_dir/question and sends a key (see rc.bash) that is read while readline is idle.
# Fields end in NUL:
#   number  the line up to the cursor  the word there  mode ("command", "argument", "variable", "files")
#   meaning of the word, without quotes  and each word of the command
# The words are those of one command as they stand in the line, without assignments before it, up to the cursor.
# The answer goes into $__ta_dir/answer, whole before the record "C <number>" tells of it; NUL-ended, too:
#   number  state ("done", "slow")  option,option,...  characters of the last word that stay
#   and for each completion: kind  text  what to append  description
#
# The work is done in a process of its own, which can be killed and cannot change anything here. A specification that
# bash-completion has loaded there is loaded here, too, once the answer is out, so that it is there the next time.

__ta_completions() {
    local IFS=$' \t\n' question=() loaded
    builtin mapfile -d '' -t question <"$__ta_dir/question"
    # Two parentheses: only a subshell of a substitution can make process groups.
    loaded=$( (__ta_answer_in_time "${question[@]}"))
    builtin printf 'C %d\0' "${question[0]}" 1<>"$__ta_dir/records"
    [[ ! $loaded ]] || __ta_load_specification "$loaded"
} 2>/dev/null </dev/null

# Standard input of everything here is nothing, and what it prints goes nowhere.
__ta_answer_in_time() {
    builtin trap - DEBUG ERR RETURN EXIT
    local work guard file=$__ta_dir/answer
    set -m # a process group of its own, so that all of it can be killed
    __ta_answer "$@" 3>&1 >"$file.new" &
    work=$!
    set +m
    builtin printf '%d' "$work" >"$__ta_dir/completing"
    {
        IFS='' builtin read -r -t 2 <> <(:) # two seconds, without a program
        builtin kill -KILL -- "-$work"
    } >/dev/null &
    guard=$!
    builtin wait "$work" || builtin printf '%s\0' "$1" slow '' 0 >"$file.new"
    builtin kill -KILL "$guard"
    command mv -f -- "$file.new" "$file"
}

# $1 number  $2 line  $3 word  $4 mode  $5 meaning  $6... words; on file descriptor 3: the command to load completions for
__ta_answer() {
    local number=$1 mode=$4 meaning=$5
    shift 5
    local words=("$@") options='' kept=0
    # shellcheck disable=SC2317 # called by the specifications' functions
    compopt() { # bash's own knows only the function that readline has called
        local arguments=("$@")
        while (($#)); do
            case $1 in
                -o) options+=",$2" ;;
                +o) options=,$options, options=${options//,$2,/,} ;;
                *)
                    builtin compopt "${arguments[@]}"
                    return
                    ;;
            esac
            shift 2
        done
    }
    case $mode in
        command)
            builtin printf '%s\0' "$number" 'done' '' 0
            __ta_commands "$meaning"
            ;;
        variable)
            builtin printf '%s\0' "$number" 'done' '' 0
            __ta_entries variable < <(builtin compgen -v -- "$meaning")
            ;;
        *) __ta_arguments "$number" "$meaning" ;;
    esac
}

# Print lines as entries of one kind; no more than can be looked through.
__ta_entries() {
    local lines=()
    builtin mapfile -n 5000 -t lines
    # shellcheck disable=SC2059 # the kind is one of ours
    ((${#lines[@]} == 0)) || builtin printf "$1"'\0%s\0 \0\0' "${lines[@]}"
}

__ta_commands() {
    local name names=()
    builtin mapfile -t names < <(builtin compgen -a -- "$1")
    for name in "${names[@]}"; do
        builtin printf 'alias\0%s\0 \0%s\0' "$name" "${BASH_ALIASES[$name]-}"
    done
    __ta_entries function < <(builtin compgen -A function -X '__ta_*' -- "$1")
    __ta_entries builtin < <(builtin compgen -b -- "$1")
    __ta_entries keyword < <(builtin compgen -k -- "$1")
    # The last of bash's own kinds; what stands above is among them again.
    __ta_entries executable < <(builtin compgen -c -X '__ta_*' -- "$1")
}

__ta_arguments() {
    local number=$1 current=$2 command previous specification=() replies=() last point
    __ta_expand_alias
    command=${words[0]}
    COMP_WORDS=()
    for last in "${words[@]}"; do __ta_break "$last"; done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    last=${COMP_WORDS[COMP_CWORD]}
    if [[ $last ]] && __ta_is_break "$last"; then
        kept=${#words[-1]} current=''
    elif ((${#last} < ${#words[-1]})); then
        kept=$((${#words[-1]} - ${#last})) current=${last//[\\\"\']/}
    fi
    COMP_LINE="${words[*]}" COMP_TYPE=9 COMP_KEY=9
    COMP_POINT=${#COMP_LINE}
    previous=''
    ((COMP_CWORD == 0)) || previous=${COMP_WORDS[COMP_CWORD - 1]}
    __ta_find_specification "$command" "$current" "$previous"
    __ta_follow_specification "$command" "$current" "$previous"
    builtin printf '%s\0' "$number" 'done' "$options" "$kept"
    local append=' '
    [[ ,$options, != *,nospace,* ]] || append=''
    if [[ ,$options, == *,filenames,* ]]; then
        for last in "${replies[@]:0:5000}"; do
            # shellcheck disable=SC2088 # as it stands in the line
            [[ $last == '~/'* ]] && point=$HOME/${last:2} || point=$last
            if [[ -d $point ]]; then
                builtin printf 'directory\0%s\0/\0\0' "${last%/}"
            else
                builtin printf 'file\0%s\0%s\0\0' "$last" "$append"
            fi
        done
    elif ((${#replies[@]})); then
        builtin printf "argument\\0%s\\0$append\\0\\0" "${replies[@]:0:5000}"
    fi
}

# An alias stands for its words, unless it has completions of its own or is no plain list of words.
__ta_expand_alias() {
    local name seen=' ' text parts=()
    while
        name=${words[0]}
        text=${BASH_ALIASES[$name]-}
        [[ $text && $seen != *" $name "* ]] && ! builtin complete -p -- "$name" >/dev/null
    do
        seen+="$name "
        [[ $text == *[\'\"\\\$\`\|\&\;\<\>\(\)]* ]] && return
        builtin read -r -a parts <<<"$text"
        while ((${#parts[@]} > 1)) && [[ ${parts[0]} == [A-Za-z_]*=* ]]; do parts=("${parts[@]:1}"); done
        ((${#parts[@]})) || return
        words=("${parts[@]}" "${words[@]:1}")
    done
}

__ta_is_break() {
    local breaks=${COMP_WORDBREAKS//[[:space:]\"\']/}
    [[ $breaks && ! ${1//["$breaks"]/} ]]
}

# Add a word to COMP_WORDS, split where readline splits: at runs of COMP_WORDBREAKS outside of quotes.
__ta_break() {
    local word=$1 breaks=${COMP_WORDBREAKS//[[:space:]\"\']/} part='' quote='' character index in_run=''
    if [[ ! $word || ! $breaks || $word != *["$breaks"]* ]]; then
        COMP_WORDS+=("$word")
        return
    fi
    for ((index = 0; index < ${#word}; index++)); do
        character=${word:index:1}
        if [[ ! $quote && $character == ["$breaks"] ]]; then
            [[ $in_run || ! $part ]] || { COMP_WORDS+=("$part"); part=''; }
            in_run=1
        else
            [[ ! $in_run ]] || { COMP_WORDS+=("$part"); part=''; }
            in_run=''
            if [[ $quote ]]; then
                [[ $character != "$quote" ]] || quote=''
            elif [[ $character == [\'\"] ]]; then
                quote=$character
            elif [[ $character == \\ ]]; then
                part+=$character
                index=$((index + 1))
                character=${word:index:1}
            fi
        fi
        part+=$character
    done
    COMP_WORDS+=("$part")
}

# Set `specification` to how the command is completed: its own, that of its file's name, or one that is loaded now.
__ta_find_specification() {
    local text='' name loader=() fallback='' try
    for try in first again; do
        for name in "$1" "${1##*/}"; do
            [[ $name ]] && text=$(builtin complete -p -- "$name") && break 2
        done
        [[ $try == first ]] || break
        fallback=$(builtin complete -p -D)
        builtin eval "loader=($fallback)"
        __ta_function "${loader[@]}" || break
        COMPREPLY=()
        "$REPLY" "$1" "$2" "$3" >/dev/null
        (($? == 124)) || { replies=("${COMPREPLY[@]}"); break; }
        builtin printf '%s' "$1" >&3
    done
    # What `complete -p` prints is quoted to be read again.
    [[ ! $text ]] || builtin eval "specification=($text)"
}

# Set REPLY to the function (-F) of a specification, given as words.
__ta_function() {
    while (($#)); do
        [[ $1 == -F ]] && { REPLY=${2-}; return; }
        shift
    done
    return 1
}

__ta_load_specification() {
    local loader=() REPLY=''
    builtin eval "loader=($(builtin complete -p -D))"
    __ta_function "${loader[@]}" && "$REPLY" "$1" '' ''
    COMPREPLY=()
} >/dev/null

# Set `replies` and `options` by `specification`.
__ta_follow_specification() {
    local generators=() function='' program='' index
    for ((index = 1; index < ${#specification[@]} - 1; index++)); do
        case ${specification[index]} in
            -o) options+="${options:+,}${specification[++index]}" ;;
            -F) function=${specification[++index]} ;;
            -C) program=${specification[++index]} ;;
            -[AGWPSX]) generators+=("${specification[index]}" "${specification[++index]}") ;;
            --) break ;;
            -*) generators+=("${specification[index]}") ;;
        esac
    done
    if ((${#generators[@]})); then
        builtin mapfile -t replies < <(builtin compgen "${generators[@]}" -- "$2")
        [[ " ${generators[*]} " != *\ -[fd]\ * ]] || options+=,filenames
    fi
    if [[ $function ]]; then
        COMPREPLY=()
        "$function" "$@" >/dev/null
        replies+=("${COMPREPLY[@]}")
    fi
    if [[ $program ]]; then
        builtin export COMP_LINE COMP_POINT COMP_TYPE COMP_KEY
        builtin mapfile -t -O "${#replies[@]}" replies < <(builtin eval "$program" '"$@"')
    fi
    __ta_add_directories "$2"
}

__ta_add_directories() {
    local found=()
    if [[ ,$options, == *,plusdirs,* || (,$options, == *,dirnames,* && ${#replies[@]} -eq 0) ]]; then
        builtin mapfile -t found < <(builtin compgen -d -- "$1")
        replies+=("${found[@]}")
        options+=,filenames
    elif [[ ${#replies[@]} -eq 0 && $1 == '~'* && $1 != */* ]]; then
        builtin mapfile -t replies < <(builtin compgen -P '~' -u -- "${1:1}")
        options+=,nospace
    fi
}
