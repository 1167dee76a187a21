#!/usr/bin/env bash
# Runs a command with a title and a text for each alert of a site that is raised, changes its severity or is cleared.
#
#   notify.sh plant-7 notify-send
#   notify.sh plant-7 sh -c 'printf "%s\n" "$2" | mail -s "$1" on-call@example.org' mail
#   PHASEWATCH_SEVERITIES="critical high medium" notify.sh plant-7 logger -t phasewatch
#
# Needs bash, jq and mosquitto_sub (Debian: apt-get install jq mosquitto-clients). The broker and its user are in
# ~/.config/mosquitto_sub, one option a line: `-h broker.example`, `-u viewer`, `-P secret`, `--cafile ca.pem`.
# Let systemd restart it when it ends (Restart=always): the broker keeps the messages meanwhile.
set -euo pipefail

usage="usage: notify.sh SITE COMMAND [ARGUMENT ...]"
site=${1:?$usage}
: "${2:?$usage}"
shift
severities=${PHASEWATCH_SEVERITIES:-critical high}
state=${XDG_STATE_HOME:-$HOME/.local/state}/phasewatch-notify
seen=$state/$site
mkdir -p "$state"
touch "$seen"
tail -n 5000 "$seen" >"$seen.new" && mv "$seen.new" "$seen"

# By alert: its newest `rev`, and the severity that was sent (-: none). A message that comes twice has a known `rev`.
declare -A newest sent
while read -r alert rev severity; do
  [[ ! $rev =~ ^[0-9]+$ ]] || newest[$alert]=$rev sent[$alert]=$severity
done <"$seen"

# What is no event of phasewatch gives no line, and no line has what the shell could take for more than text.
lines='
  fromjson? | select(type == "object" and .schema == "phasewatch.alert/1")
  | select((.alert_id | type == "string" and test("^[a-z0-9_-]+$")) and (.rev | type == "number"))
  | [.alert_id, (.rev | floor), .severity, .state, .suppressed_by == null and .shelved_until == null,
     "\(.subject)/\(.rule) \(.phase // "")", .summary]
  | map(tostring | gsub("[[:cntrl:]]+"; " ")) | join("\t")'

notify() {
  for pause in 5 30 0; do
    "${command[@]}" "$1" "$2" </dev/null && return
    sleep "$pause"
  done
  echo "notify.sh: no notification was sent: $1: $2" >&2
}

command=("$@")
mosquitto_sub --id "phasewatch-notify-$site" --disable-clean-session --qos 1 --topic "phasewatch/$site/events/#" |
  jq --raw-input --raw-output --unbuffered "$lines" |
  while IFS=$'\t' read -r alert rev severity state_now free name text; do
    ((rev > ${newest[$alert]:-0})) || continue
    before=${sent[$alert]:--} now=$before
    if [[ $state_now == cleared ]]; then
      now=-
    elif [[ $state_now == active && $free == true && " $severities " == *" $severity "* ]]; then
      now=$severity
    fi
    if [[ $now == - && $before != - ]]; then
      notify "CLEARED $name" "$text"
    elif [[ $now != "$before" ]]; then
      notify "${severity^^} $name" "$text"
    fi
    newest[$alert]=$rev sent[$alert]=$now
    echo "$alert $rev $now" >>"$seen"
  done
