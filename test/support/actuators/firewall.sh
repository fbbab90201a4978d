#!/bin/sh
# A firewall that fetches its commands: nothing but a POSIX shell, curl and sed. An address is blocked while a file in rules/ is named by its hold.
#
#   BASE=http://127.0.0.1:8515 TOKEN_FILE=… HOME_DIR=… AUDIT=… sh firewall.sh
#
# $HOME_DIR/manner says what it does with a command: `does`, `hangs` (fetches, and does nothing), `acts` (does it, and does not tell).
set -u
cd "$HOME_DIR" || exit 1
mkdir -p rules
printf 'Authorization: Bearer %s' "$(cat "$TOKEN_FILE")" >bearer
chmod 600 bearer
api="$BASE/api/v1/actuators/firewall"
boot="boot-$$-$(date +%s)"
after=0
digest=
wanted_digest=

ask() { curl -sS -f --max-time 10 -H @bearer -H 'Content-Type: application/json' "$@" 2>/dev/null; }
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }
log() { printf '{"at":"%s",%s}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" >>log.jsonl; }
manner() { cat manner 2>/dev/null || echo does; }

# One object a line: the command that stands on stdin is carried out and told; what is not told is fetched again.
carry_out() {
  command=$(cat)
  id=$(printf '%s\n' "$command" | field command_id)
  op=$(printf '%s\n' "$command" | field op)
  hold=$(printf '%s\n' "$command" | field hold_id)
  ip=$(printf '%s\n' "$command" | sed -n 's/.*"target":{"type":"ip","id":"\([0-9a-f.:]*\)"}.*/\1/p')
  attempt=$(printf '%s\n' "$command" | sed -n 's/.*"attempt":\([0-9]*\).*/\1/p')
  recorded=false
  grep '"type":"command.requested"' "$AUDIT" | grep "\"command_id\":\"$id\"" | grep "\"op\":\"$op\"" | grep -q "\"id\":\"$hold\"" && recorded=true
  log "\"what\":\"got\",\"id\":\"$id\",\"op\":\"$op\",\"hold\":\"$hold\",\"attempt\":${attempt:-null},\"recorded\":$recorded"
  [ "$(manner)" = hangs ] && return 1
  case $op in
    apply)
      [ -e "rules/$hold" ] || log "\"what\":\"did\",\"id\":\"$id\",\"op\":\"apply\",\"hold\":\"$hold\""
      printf '%s\n' "$ip" >"rules/$hold"
      said=enforced
      ;;
    release)
      [ -e "rules/$hold" ] && log "\"what\":\"did\",\"id\":\"$id\",\"op\":\"release\",\"hold\":\"$hold\""
      rm -f "rules/$hold"
      said=released
      ;;
    *) return 1 ;;
  esac
  [ "$(manner)" = acts ] && return 1
  ask --data-binary "{\"status\":\"$said\",\"evidence\":{\"rules\":$(ls rules | wc -l)}}" "$BASE/api/v1/commands/$id/result" >answer || return 1
  log "\"what\":\"answered\",\"id\":\"$id\""
}

# All that should be in force, and nothing else: what it needs after it has lost everything.
reconcile() {
  ask -D headers "$api/desired" >desired || return 1
  sed 's/{"hold_id"/\
&/g' desired | sed -n 's/^{"hold_id":"\(HLD-[0-9a-f]*\)","action":"block_ip","target":{"type":"ip","id":"\([0-9a-f.:]*\)"}.*/\1 \2/p' >wanted
  for rule in rules/*; do
    [ -e "$rule" ] || continue
    grep -q "^${rule#rules/} " wanted || { rm -f "$rule" && log "\"what\":\"dropped\",\"hold\":\"${rule#rules/}\""; }
  done
  while read -r hold ip; do
    [ -e "rules/$hold" ] && continue
    log "\"what\":\"restored\",\"hold\":\"$hold\""
    printf '%s\n' "$ip" >"rules/$hold"
  done <wanted
  digest=$(sed -n 's/^[Ee][Tt][Aa][Gg]: "\([0-9a-f]*\)".*/\1/p' headers)
}

beat() {
  holds=$(for rule in rules/*; do [ -e "$rule" ] && printf ',"%s"' "${rule#rules/}"; done)
  ask --data-binary "{\"desired_digest\":\"${digest:-none}\",\"holds\":[${holds#,}],\"boot_id\":\"$boot\"}" "$api/heartbeat" >beat || return 1
  log "\"what\":\"beat\""
  wanted_digest=$(field desired_digest <beat)
}

echo ready
# Whoever is started by a test does not outlive it.
while kill -0 "$PPID" 2>/dev/null; do
  beat || { sleep 0.1; continue; }
  ask "$api/commands?after=$after&wait=${WAIT:-1}" >fetched || { sleep 0.1; continue; }
  all=true
  sed 's/{"command_id"/\
&/g' fetched | grep '^{"command_id"' >commands
  while read -r line; do
    printf '%s\n' "$line" | carry_out || all=false
  done <commands
  if [ "$all" = true ]; then
    after=$(sed -n 's/.*"after":\([0-9]*\)}$/\1/p' fetched)
    # What no command has told: it was lost here, or ended while nobody was listening.
    [ "$wanted_digest" = "$digest" ] || reconcile
  else
    sleep 0.1
  fi
done
