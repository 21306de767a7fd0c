#include "otactl/completion.hpp"

namespace ota::otactl {

// bash cuts words at : and @ too, and replaces only the last piece.
constexpr const char* kBash = R"(_otactl() {
  local line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} IFS=$' \t\n' words found word
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  word=${words[-1]}
  IFS=$'\n'
  found=($(otactl complete -- "${words[@]:1}" 2>/dev/null))
  COMPREPLY=()
  if [[ ${found[0]} == :file ]]; then
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  fi
  local cut=${word%"$cur"}
  [[ $cur == [:=] ]] && cut=$word
  COMPREPLY=("${found[@]#"$cut"}")
}
complete -F _otactl otactl
)";

constexpr const char* kZsh = R"(#compdef otactl
_otactl() {
  local -a found
  found=("${(@f)$(otactl complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == :file ]]; then
    _files
  else
    compadd -- $found
  fi
}
if [[ $funcstack[1] == _otactl ]]; then
  _otactl "$@"
else
  compdef _otactl otactl
fi
)";

constexpr const char* kFish = R"(function __otactl_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l found (otactl complete -- $words[2..-1] "$current" 2>/dev/null)
  if test "$found[1]" = :file
    __fish_complete_path "$current"
  else
    printf '%s\n' $found
  end
end
complete -c otactl -f -a '(__otactl_complete)'
)";

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return kBash;
  return shell == "zsh" ? kZsh : kFish;
}

}  // namespace ota::otactl
