#!/usr/bin/env bash
# Goes through an agent's whole life at a running controller, and removes what it made.
#
#   AIWM_USER_TOKEN=$(aiwm-controller token --email you@example.com) ./scripts/test-agent-connection.sh
#   AIWM_BASE_URL=https://api.example.com/dev/aiwm    the controller (default: http://localhost:3305)
#   KEEP=1                                            leaves what it made
{ # bash reads all of this before it runs any of it
set -euo pipefail

readonly BASE="${AIWM_BASE_URL:-http://localhost:3305}"
user_token="${AIWM_USER_TOKEN:-}"
made=()

give_up() {
  printf 'FAILED  %s\n' "$1" >&2
  exit 1
}

# Tokens go by a file: an argument list can be read by all.
call() { # TOKEN METHOD PATH [BODY]; prints the body, fails where the status is no success
  local status
  printf 'Authorization: Bearer %s\n' "$1" >"$folder/header"
  status=$(printf '%s' "${4:-}" | curl --silent --show-error --max-time 30 --request "$2" \
    --header "@$folder/header" --header 'Content-Type: application/json' --data-binary @- \
    --output "$folder/answer" --write-out '%{http_code}' "$BASE$3") || give_up "$2 $3: no answer"
  [[ "$status" == 20[01] ]] || give_up "$2 $3: $status $(head -c 500 "$folder/answer")"
  cat "$folder/answer"
}

create() { # KIND BODY; the new id is in $id
  id=$(call "$user_token" POST "/$1" "$2" | jq --raw-output .id)
  made=("/$1/$id" "${made[@]}")
  printf 'ok      create %s %s\n' "${1%s}" "$id"
}

expect() { # WHAT JSON FILTER; the filter of jq must come to true
  jq --exit-status "$3" <<<"$2" >/dev/null || give_up "$1: $2"
  printf 'ok      %s\n' "$1"
}

clean_up() {
  local path
  if [[ "${KEEP:-}" != 1 && -n "$user_token" ]]; then
    for path in "${made[@]}"; do
      (call "$user_token" DELETE "$path" >/dev/null) || printf 'left    %s\n' "$path" >&2
    done
  fi
  rm -rf -- "$folder"
}

create_agent() {
  local instruction tools=() node name
  name="connection-test-$$"
  create instructions "{\"name\": \"$name\", \"systemPrompt\": \"You are helpful.\", \"guidelines\": [\"Be polite\", \"Be accurate\"]}"
  instruction=$id
  for tool in read-file write-file; do
    create tools "{\"name\": \"$name-$tool\", \"type\": \"builtin\", \"category\": \"productivity\"}"
    tools+=("$id")
  done
  create nodes "{\"name\": \"$name\", \"role\": [\"worker\"]}"
  node=$id
  create agents "{\"name\": \"$name\", \"type\": \"autonomous\", \"instructionId\": \"$instruction\",
    \"allowedToolIds\": [\"${tools[0]}\", \"${tools[1]}\"], \"nodeId\": \"$node\",
    \"settings\": {\"claudeModel\": \"claude-3-5-haiku-latest\", \"maxTurns\": 100,
      \"discord\": {\"token\": \"a-token\", \"channelIds\": [\"123456789\"]}}}"
}

connect_agent() { # AGENT; the agent's token is in $token
  local issued secret answer
  export text=$'You are helpful.\n\n## Guidelines\n1. Be polite\n2. Be accurate'
  issued=$(call "$user_token" POST "/agents/$1/regenerate-credentials")
  expect "regenerate credentials" "$issued" '(.secret | test("^[0-9a-f]{64}$"))
    and (.envConfig | contains("AIWM_AGENT_SECRET=")) and (.installScript | startswith("#!"))'
  secret=$(jq --raw-output .secret <<<"$issued")
  answer=$(call "" POST "/agents/$1/connect" "{\"secret\": \"$secret\"}")
  expect "connect" "$answer" '.accessToken == .token and .expiresIn == 86400
    and .instructionText == env.text and (.tools | length) == 2 and .settings.discord_token == "a-token"'
  token=$(jq --raw-output .accessToken <<<"$answer")
  answer=$(call "" POST "/agents/$1/connect?shape=legacy" "{\"secret\": \"$secret\"}")
  expect "connect, in the guide's own shape" "$answer" '.instruction == env.text
    and .settings.discord.channelIds == ["123456789"] and (has("accessToken") | not)'
}

live() { # AGENT
  local answer
  answer=$(call "$token" POST "/agents/$1/heartbeat" '{"status": "online", "metrics": {"uptime": 3600}}')
  expect "heartbeat" "$answer" '.success and .acknowledged and .nextHeartbeat > 0'
  answer=$(call "$user_token" GET "/agents/$1")
  expect "agent details" "$answer" '.connectionCount == 2 and .lastConnectedAt != null
    and .lastHeartbeatAt != null and .liveness == "online" and .metadata.lastMetrics.uptime == 3600'
  answer=$(call "$token" GET "/agents/$1/config")
  expect "config" "$answer" '.accessToken == "" and (.tools | length) == 2'
  answer=$(call "$token" POST "/agents/$1/disconnect" '{"reason": "shutdown"}')
  expect "disconnect" "$answer" '.success and .acknowledged'
}

main() {
  for tool in curl jq; do
    command -v "$tool" >/dev/null || give_up "$tool is missing: sudo apt-get install $tool"
  done
  [[ -n "$user_token" ]] || give_up "AIWM_USER_TOKEN is not set: aiwm-controller token --email ..."
  umask 077
  folder=$(mktemp -d)
  trap clean_up EXIT
  local agent
  create_agent
  agent=$id
  connect_agent "$agent"
  live "$agent"
  printf 'All is well at %s.\n' "$BASE"
}

main "$@"
}
